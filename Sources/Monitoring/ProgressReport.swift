/// How far a long piece of work is, as a line every five seconds.
public struct ProgressReport {
  private let total: Int
  private var done = 0
  private var remaining = RemainingTime()
  private var spoke = ContinuousClock.now

  /// - Parameter total: pieces of work in all.
  public init(total: Int) {
    self.total = total
    remaining.observe(done: 0)
  }

  /// Counts finished pieces; returns a line such as `40 %, 2m10s left` if it is time for one.
  public mutating func advance(by count: Int) -> String? {
    done += count
    remaining.observe(done: done)
    guard ContinuousClock.now - spoke >= .seconds(5) else { return nil }
    spoke = .now
    return "\(100 * min(done, total) / max(1, total)) %" + (remaining.text(total: total).map { ", \($0) left" } ?? "")
  }
}
