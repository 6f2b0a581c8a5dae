import Foundation

/// What text is shown on.
package struct Paper: Sendable, Equatable {
  package var columns: Int
  package var rows: Int
  /// Whether it shows more than ASCII.
  package var isUnicode: Bool
  package var hasColor: Bool

  package init(columns: Int, rows: Int, isUnicode: Bool = true, hasColor: Bool = false) {
    (self.columns, self.rows) = (max(1, columns), max(1, rows))
    (self.isUnicode, self.hasColor) = (isUnicode, hasColor)
  }

  /// Whether the locale's characters are UTF-8. The locale need not be installed on this machine, as over ssh: its name tells.
  package static func isUnicode(_ environment: [String: String]) -> Bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }
    let name = names.first { !$0.isEmpty }?.lowercased() ?? ""
    return name.contains("utf-8") || name.contains("utf8")
  }

  /// Whether colors are wanted (https://no-color.org).
  package static func wantsColor(_ environment: [String: String]) -> Bool {
    (environment["NO_COLOR"] ?? "").isEmpty
  }

  /// Standard output, which may be a terminal or not.
  package static var ofOutput: Paper {
    let environment = ProcessInfo.processInfo.environment
    let isTerminal = TerminalScreen.isUsable(environment)
    let (columns, rows) = TerminalScreen.size
    return Paper(
      columns: isTerminal ? columns : environment["COLUMNS"].flatMap { Int($0) } ?? 80, rows: rows,
      isUnicode: isUnicode(environment),
      hasColor: isTerminal && wantsColor(environment))
  }

  var ellipsis: String { isUnicode ? "…" : "~" }
  var full: String { isUnicode ? "█" : "#" }
  var empty: String { isUnicode ? "░" : "." }
  var times: String { isUnicode ? "×" : "x" }
}
