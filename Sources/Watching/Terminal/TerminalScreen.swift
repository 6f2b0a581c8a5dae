import Errors
import Files
import Foundation
import Synchronization

/// The terminal's whole screen, as long as it is shown: what was there before comes back, and the terminal works as before.
final class TerminalScreen: @unchecked Sendable {
  // Safe to share: `settings` does not change, `isShown` is atomic.
  private let settings: termios?
  private let isShown = Atomic<Bool>(false)
  private var shownLines: [String] = []
  private var shownSize = (columns: 0, rows: 0)

  /// Another screen, no cursor, no line breaks by the terminal; and all of it back.
  private static let begin = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
  private static let end = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

  /// Whether a terminal can show a page: not in a pipe, and not on one that knows no commands.
  static func isUsable(_ environment: [String: String]) -> Bool {
    isatty(STDOUT_FILENO) == 1 && !["", "dumb", "unknown"].contains(environment["TERM"] ?? "")
  }

  init() {
    var settings = termios()
    self.settings = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &settings) == 0 ? settings : nil
  }

  /// Whether there are keys to be pressed.
  var hasKeys: Bool { settings != nil }

  func show() throws {
    if isShown.exchange(true, ordering: .acquiringAndReleasing) { return }
    if var settings {
      // Keys come at once and are not shown. Ctrl-C and Ctrl-Z are keys, too: they restore the terminal first.
      settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
      settings.c_iflag &= ~tcflag_t(IXON | ICRNL)
      tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }
    shownLines = []
    try write(Self.begin)
  }

  /// Any thread may call it.
  func restore() {
    guard isShown.exchange(false, ordering: .acquiringAndReleasing) else { return }
    try? write(Self.end)
    if var settings { tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) }
  }

  /// Columns and rows.
  static var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Shows lines from the top; only those that have changed are sent, for slow connections.
  func draw(_ lines: [String], size: (columns: Int, rows: Int)) throws {
    var text = ""
    if size != shownSize || shownLines.isEmpty {
      text = "\u{1B}[2J"
      shownLines = []
    }
    for row in 0..<max(lines.count, shownLines.count) {
      let line = row < lines.count ? lines[row] : ""
      if shownLines.indices.contains(row), shownLines[row] == line { continue }
      // Cleared before, because after a whole line the cursor is on its last character.
      text += "\u{1B}[\(row + 1);1H\u{1B}[2K\(line)"
    }
    (shownLines, shownSize) = (lines, size)
    if !text.isEmpty { try write(text) }
  }

  private func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try writeAll(UnsafeRawBufferPointer($0), to: STDOUT_FILENO, "the terminal") }
  }
}
