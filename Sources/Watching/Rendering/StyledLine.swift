/// How a piece of text looks.
package enum Style: String, Sendable {
  case plain = ""
  case strong = "1"
  case faint = "2"
  case good = "32"
  case warning = "33"
  case bad = "1;31"
  case curve = "36"
}

/// A line for a terminal: pieces of text, each in one style. Control characters, which could change the terminal, are replaced.
package struct StyledLine: Sendable, Equatable {
  struct Span: Sendable, Equatable {
    var text: String
    var style: Style
  }

  private(set) var spans: [Span] = []

  init(_ text: String = "", _ style: Style = .plain) {
    if !text.isEmpty { spans = [Span(text: DisplayWidth.printable(text), style: style)] }
  }

  static func + (left: StyledLine, right: StyledLine) -> StyledLine {
    var line = left
    line.spans += right.spans
    return line
  }

  /// Columns that it takes.
  package var width: Int { spans.reduce(0) { $0 + DisplayWidth.of($1.text) } }

  /// Cut to a width, with a mark where something is missing.
  func cut(to width: Int, _ paper: Paper) -> StyledLine {
    if self.width <= width { return self }
    var (line, left) = (StyledLine(), width - 1)
    for span in spans {
      let text = DisplayWidth.prefix(span.text, left)
      line.spans.append(Span(text: text, style: span.style))
      left -= DisplayWidth.of(text)
      if text.count < span.text.count { break }
    }
    return width < 1 ? StyledLine() : line + StyledLine(paper.ellipsis, .faint)
  }

  /// With blanks after it, up to a width.
  func padded(to width: Int) -> StyledLine { self + StyledLine(String(repeating: " ", count: max(0, width - self.width))) }

  /// As it is written to a terminal.
  package func text(on paper: Paper) -> String {
    spans.map { span in
      let text = paper.isUnicode ? span.text : DisplayWidth.ascii(span.text)
      return paper.hasColor && span.style != .plain ? "\u{1B}[\(span.style.rawValue)m\(text)\u{1B}[0m" : text
    }.joined()
  }
}
