/// Markup. Text that is interpolated into it is escaped, markup is not: so a caption or a file's name, which may have
/// any characters, never becomes markup.
package struct HTML: ExpressibleByStringInterpolation, Equatable, Sendable {
  package let markup: String

  package init(stringLiteral markup: String) { self.markup = markup }
  package init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

  package struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var markup = ""

    package init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(literalCapacity) }

    package mutating func appendLiteral(_ markup: String) { self.markup += markup }
    package mutating func appendInterpolation(_ text: String) { markup += HTML.escaped(text) }
    package mutating func appendInterpolation(_ html: HTML?) { markup += html?.markup ?? "" }
    package mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { markup += part.markup } }
    /// Plain digits, as attributes need them.
    package mutating func appendInterpolation(_ number: Int) { markup += String(number) }
    /// A coordinate, to a tenth.
    package mutating func appendInterpolation(_ coordinate: Double) { markup += HTML.tenth(coordinate) }
  }

  /// A coordinate, to a tenth.
  static func tenth(_ coordinate: Double) -> String {
    let tenths = Int((coordinate * 10).rounded())
    return tenths % 10 == 0 ? String(tenths / 10) : String(Double(tenths) / 10)
  }

  /// Text as markup that shows it. Characters that no document may have, such as most control characters, are replaced.
  private static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\u{0}"..."\u{8}", "\u{B}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
