import Synchronization

/// Work that must not wait for the end of a pass, and is done between its longer kernels: Open MPI lets messages advance in calls alone,
/// and a block of a large model computes for seconds.
public final class KernelPauses: Sendable {
  private struct State {
    var due = ContinuousClock.now
    /// The work may call kernels, too.
    var isWorking = false
  }

  /// Those of the calling thread's kernels.
  @TaskLocal private static var current: KernelPauses?
  private let interval: Duration
  private let work: @Sendable () -> Void
  private let state = Mutex(State())

  /// - Parameters:
  ///   - interval: least time between two calls of `work`.
  ///   - work: called on the thread of the kernels.
  public init(every interval: Duration, _ work: @escaping @Sendable () -> Void) { (self.interval, self.work) = (interval, work) }

  /// Does the work between the kernels that `body` calls on this thread.
  public func use<Result>(_ body: () throws -> Result) rethrows -> Result {
    try KernelPauses.$current.withValue(self, operation: body)
  }

  /// A kernel that may take milliseconds is done.
  static func pause() { current?.workIfDue() }

  private func workIfDue() {
    let isDue = state.withLock { state in
      if state.isWorking || ContinuousClock.now < state.due { return false }
      state.isWorking = true
      return true
    }
    guard isDue else { return }
    work()
    state.withLock { $0 = State(due: .now + interval) }
  }
}
