import Foundation

/// Progress of a long piece of work and the time that remains: a line on a terminal that is overwritten, or lines for a log.
package struct ProgressMeter {
  private let interval: Duration
  private let isTerminal: Bool
  private var remaining = RemainingTime()
  private var shown = ContinuousClock.now

  private init(every interval: Duration, isTerminal: Bool) {
    (self.interval, self.isTerminal) = (interval, isTerminal)
    remaining.observe(done: 0)
  }

  /// Shows a line on standard error, where that is a terminal, and nothing otherwise.
  package static func terminal() -> ProgressMeter {
    ProgressMeter(every: .milliseconds(200), isTerminal: isatty(STDERR_FILENO) == 1)
  }

  /// Gives a line every five seconds.
  package static func lines() -> ProgressMeter { ProgressMeter(every: .seconds(5), isTerminal: false) }

  /// A line such as `40 %, 2m10s left`, if it is time for one.
  package mutating func line(_ done: Int, of total: Int) -> String? {
    remaining.observe(done: done)
    guard ContinuousClock.now - shown >= interval else { return nil }
    shown = .now
    return "\(100 * min(done, total) / max(1, total)) %" + (remaining.text(total: total).map { ", \($0) left" } ?? "")
  }

  /// Shows a line such as `encoding: 40 %, 2m10s left` on the terminal, if it is time for one.
  package mutating func show(_ what: String, _ done: Int, of total: Int) {
    if let line = line(done, of: total), isTerminal { put("\(what): \(line)") }
  }

  /// Clears the terminal's line.
  package func finish() { if isTerminal { put("") } }

  private func put(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(text)".utf8)) }
}
