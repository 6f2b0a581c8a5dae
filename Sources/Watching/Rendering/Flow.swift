/// Pieces of text one after the other, on as many lines as they need.
struct Flow {
  private var items: [StyledLine] = []

  mutating func add(_ item: StyledLine) { items.append(item) }
  mutating func add(_ text: String, _ style: Style = .plain) { items.append(StyledLine(text, style)) }

  /// A name and its value.
  mutating func add(_ name: String, value: String, _ style: Style = .strong) {
    items.append(StyledLine(name + " ", .faint) + StyledLine(value, style))
  }

  func lines(on paper: Paper) -> [StyledLine] {
    var lines: [StyledLine] = []
    for item in items {
      let item = item.cut(to: paper.columns, paper)
      if let last = lines.last, last.width + 2 + item.width <= paper.columns {
        lines[lines.count - 1] = last + StyledLine("  ") + item
      } else {
        lines.append(item)
      }
    }
    return lines
  }

  /// A text broken at blanks; later lines begin with `indent` blanks.
  static func wrapped(_ text: String, _ style: Style, indent: Int = 0, on paper: Paper) -> [StyledLine] {
    var lines: [String] = []
    for word in DisplayWidth.printable(text).split(separator: " ") {
      let blanks = String(repeating: " ", count: indent < paper.columns / 2 ? indent : 0)
      if let last = lines.last, DisplayWidth.of(last) + 1 + DisplayWidth.of(String(word)) <= paper.columns {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append((lines.isEmpty ? "" : blanks) + word)
      }
    }
    return lines.map { StyledLine($0, style).cut(to: paper.columns, paper) }
  }
}
