import Foundation

/// One line on a terminal that shows how far some work is; nothing where the output is a file.
public struct ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var remaining = RemainingTime()
  private var shown = ContinuousClock.now - .seconds(1)

  public init() { remaining.observe(done: 0) }

  public mutating func show(_ what: String, _ done: Int, of total: Int) {
    remaining.observe(done: done)
    guard isTerminal, ContinuousClock.now - shown >= .milliseconds(200) || done == total else { return }
    shown = .now
    let left = remaining.text(total: total).map { ", \($0) left" } ?? ""
    FileHandle.standardError.write(Data("\r\u{1B}[K\(what): \(100 * done / max(1, total)) %\(left)".utf8))
  }

  /// Clears the line.
  public func finish() {
    if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }
}
