import Dispatch
import Foundation

/// Does work of unknown length, and reports that it is under way: a line such as `puts shards together: 12 s so far` after two seconds,
/// and then every ten.
///
/// - Parameter report: takes the line, on another thread; by default standard error does.
package func reporting<Result>(
  _ what: String, to report: @escaping (String) -> Void = { try? FileHandle.standardError.write(contentsOf: Data("\($0)\n".utf8)) },
  _ body: () throws -> Result
) rethrows -> Result {
  let clock = Activity(what, report)
  defer { clock.stop() }
  return try body()
}

/// Reports by a timer until it is stopped.
private final class Activity: @unchecked Sendable {
  // Safe to share: `report` is called with `lock` held, and never after `stop`.
  private let lock = NSLock()
  private let start = ContinuousClock.now
  private var report: ((String) -> Void)?
  private let timer = DispatchSource.makeTimerSource()

  init(_ what: String, _ report: @escaping (String) -> Void) {
    self.report = report
    timer.setEventHandler { [weak self] in
      guard let self else { return }
      let seconds = Int((ContinuousClock.now - start) / .seconds(1))
      lock.withLock { self.report?("\(what): \(RemainingTime.text(seconds: Double(seconds))) so far") }
    }
    timer.schedule(deadline: .now() + 2, repeating: 10)
    timer.resume()
  }

  func stop() {
    lock.withLock { report = nil }
    timer.cancel()
  }
}
