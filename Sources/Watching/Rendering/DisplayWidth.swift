/// Columns that text takes in a terminal.
enum DisplayWidth {
  static func of(_ text: String) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.reduce(0) { $0 + of($1) }
  }

  static func of(_ character: Character) -> Int {
    character.unicodeScalars.map(of).max() ?? 0
  }

  /// Ideographs and emoji are two columns wide; marks on other characters take none.
  private static func of(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
      0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }

  /// As many characters as fit.
  static func prefix(_ text: String, _ width: Int) -> String {
    var left = width
    return String(
      text.prefix {
        left -= of($0)
        return left >= 0
      })
  }

  /// With a replacement for what would do something to a terminal.
  static func printable(_ text: String) -> String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: true
      // Marks that turn the direction of text.
      case .format: scalar.value != 0x200D
      default: false
      }
    }
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(isControl(scalar) ? scalar == "\n" || scalar == "\t" ? " " : "?" : scalar) }
    return String(result)
  }

  /// For a terminal that shows ASCII alone: as many columns, a question mark for each that it cannot show.
  static func ascii(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
    return text.map { $0.isASCII ? String($0) : String(repeating: "?", count: of($0)) }.joined()
  }
}
