import Dispatch
import Errors
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Notices that somebody asks the program to stop: by SIGINT (Ctrl-C), SIGTERM, SIGHUP (unless `nohup` hides it) or SIGUSR1, which
/// mpirun passes on at once, or by SIGUSR2, with which a rank passes a request on to the other ranks of its machine.
///
/// Files are complete or absent at any moment, so most work is simply broken off: where it would leave half a file, it asks by
/// `check`; elsewhere the program ends when the time to do so is over. Work that has something to save runs in `whileSaving`, which
/// lasts until it is done. The same signal a second time ends the program at once.
package final class StopRequest: @unchecked Sendable {
  // Safe to share: what changes is atomic, or guarded by `lock`.
  private let raised = Atomic<Bool>(false)
  private let lock = NSLock()
  private let queue = DispatchQueue(label: "stop requests", qos: .userInteractive)
  private var sources: [any DispatchSourceSignal] = []
  private let seconds: Double
  private let end: @Sendable (DalleError) -> Void
  private var times: [Int32: ContinuousClock.Instant] = [:]
  private var savers = 0
  private var text = "stopped by a signal"
  private var neighbours: [pid_t] = []

  /// - Parameters:
  ///   - seconds: between the request and the end, to break work off in order.
  ///   - end: ends the program with this error; called on a thread of its own.
  package init(within seconds: Double, end: @escaping @Sendable (DalleError) -> Void) {
    (self.seconds, self.end) = (seconds, end)
    // mpirun closes the ranks' console before it ends them: a line that nobody reads must not cost the last checkpoint.
    signal(SIGPIPE, SIG_IGN)
    // A file that grows beyond `ulimit -f` is an error of writing it.
    signal(SIGXFSZ, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2] where number != SIGHUP || !Self.isIgnored(SIGHUP) {
      signal(number, SIG_IGN)  // the default would end the process before the source sees it
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { [unowned self] in receive(number) }
      source.resume()
      sources.append(source)
    }
  }

  package var isRaised: Bool { raised.load(ordering: .relaxed) }

  /// - Throws: `DalleError` of kind `stopped` if a stop was requested.
  package func check() throws {
    if isRaised { throw error }
  }

  /// Ends the program with an error, as if a request had come, at once. Any thread may call it.
  package func end(with error: DalleError) { end(error) }

  package var error: DalleError { DalleError(.stopped, lock.withLock { text }) }

  /// What the error says; it tells how to resume.
  package func explain(_ text: String) { lock.withLock { self.text = text } }

  /// Passes requests on to other processes.
  package func passOn(to processes: [pid_t]) { lock.withLock { neighbours = processes } }

  /// Does work that asks for `isRaised` by itself, and saves what it has when a stop is requested: it may take its time.
  package func whileSaving<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock.withLock { savers += 1 }
    defer {
      lock.withLock { savers -= 1 }
      if isRaised { endInTime() }
    }
    return try body()
  }

  /// Called on `queue`.
  private func receive(_ number: Int32) {
    let now = ContinuousClock.now
    let (first, others) = lock.withLock {
      defer { times[number] = times[number] ?? now }
      return (times[number], neighbours)
    }
    if let first {
      // A launcher may send each signal twice at about the same time, and mpirun sends SIGTERM by itself after somebody else's.
      let isLaunched = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil
      if now - first > .milliseconds(300), number != SIGUSR2, number != SIGTERM || !isLaunched { end(error) }
      return
    }
    if raised.exchange(true, ordering: .relaxed) { return }
    if number != SIGUSR2 { for process in others { kill(process, SIGUSR2) } }
    endInTime()
  }

  private func endInTime() {
    queue.asyncAfter(deadline: .now() + seconds) { [self] in
      if lock.withLock({ savers == 0 }) { end(error) }
    }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
