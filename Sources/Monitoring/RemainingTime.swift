import Foundation

/// The time that the rest of some work takes, from the pace of its recent part.
package struct RemainingTime {
  private var marks: [(time: ContinuousClock.Instant, done: Int)] = []

  package init() {}

  package mutating func observe(done: Int) {
    marks.append((.now, done))
    // The pace of the last 200 observations: long enough to be steady, short enough to follow changes.
    if marks.count > 200 { marks.removeFirst(marks.count - 200) }
  }

  /// "3m12s", or nil as long as there is no pace.
  package func text(total: Int) -> String? {
    guard let first = marks.first, let last = marks.last, last.done > first.done else { return nil }
    let pace = (last.time - first.time) / .seconds(1) / Double(last.done - first.done)
    return Self.text(seconds: pace * Double(max(0, total - last.done)))
  }

  package static func text(seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole)s" }
    if whole < 3600 { return "\(whole / 60)m\(String(format: "%02d", whole % 60))s" }
    if whole < 86_400 { return "\(whole / 3600)h\(String(format: "%02d", whole % 3600 / 60))m" }
    return "\(whole / 86_400)d\(whole % 86_400 / 3600)h"
  }
}
