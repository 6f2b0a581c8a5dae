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

  /// Shows a line on standard error: on a terminal one that is written over, in a file or a pipe one every five seconds.
  package static func console() -> ProgressMeter {
    let isTerminal = isatty(STDERR_FILENO) == 1
    return ProgressMeter(every: isTerminal ? .milliseconds(200) : .seconds(5), isTerminal: isTerminal)
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

  /// Shows a line such as `encoding: 40 %, 2m10s left` on standard error, if it is time for one.
  package mutating func show(_ what: String, _ done: Int, of total: Int) {
    guard let line = line(done, of: total) else { return }
    if isTerminal { put("\r\u{1B}[K\(what): \(line)") } else { put("\(what): \(line)\n") }
  }

  /// Clears the terminal's line.
  package func finish() { if isTerminal { put("\r\u{1B}[K") } }

  private func put(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}
