import Foundation

/// The cores that a rank has at a moment.
package struct CoreState: Sendable, BitwiseCopyable {
  /// Cores that it may use.
  package var count: Int
  /// Multiplications per second, each of which waits for the one before: proportional to the clock speed.
  package var speed: Double

  package init(count: Int, speed: Double) { (self.count, self.speed) = (count, speed) }

  /// Those of this thread, within a millisecond.
  package static func now() -> CoreState {
    // An interrupt makes a measurement longer, nothing makes it shorter.
    let seconds = (0..<3).map { _ in secondsOfMultiplications() }.min()!
    return CoreState(count: UsableCores().count, speed: Double(multiplications) / max(seconds, 1e-9))
  }

  private static let multiplications = 50_000

  /// Of the thread's own time: other processes on its core do not count.
  private static func secondsOfMultiplications() -> Double {
    let start = threadSeconds()
    var value = UInt64(start.bitPattern) | 1
    for _ in 0..<multiplications { value = value &* value &+ 2 }
    // Only what is used is computed.
    return value == 0 ? 0 : threadSeconds() - start
  }

  private static func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
