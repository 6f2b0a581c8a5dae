import Synchronization

/// Seconds that kernels take, by kind: for benchmarks. A kernel that calls other kernels is counted whole, once.
public final class KernelClock: Sendable {
  enum Kind: String {
    case matmul, attention, convolutions, norms, activations, biases, crossEntropy, logitLaplace, relaxation, resampling, rounding
    case orthonormalization, shortcuts, dropout
  }

  /// A kernel under way.
  struct Span {
    let clock: KernelClock
    let kind: Kind
    let begin: ContinuousClock.Instant
  }

  private struct State {
    var isInside = false
    var seconds: [Kind: Double] = [:]
  }

  /// The clock of the calling thread's kernels; without one they are not timed.
  @TaskLocal private static var current: KernelClock?
  private let state = Mutex(State())

  public init() {}

  /// The seconds so far, by kind.
  public var seconds: [String: Double] {
    state.withLock { Dictionary(uniqueKeysWithValues: $0.seconds.map { ($0.key.rawValue, $0.value) }) }
  }

  /// Times the kernels that `body` calls on this thread.
  public func measure<Result>(_ body: () throws -> Result) rethrows -> Result {
    try KernelClock.$current.withValue(self, operation: body)
  }

  /// Nil without a clock, and inside another kernel.
  static func begin(_ kind: Kind) -> Span? {
    guard let clock = current else { return nil }
    let isOutermost = clock.state.withLock { state in
      defer { state.isInside = true }
      return !state.isInside
    }
    return isOutermost ? Span(clock: clock, kind: kind, begin: .now) : nil
  }

  static func end(_ span: Span?) {
    guard let span else { return }
    span.clock.state.withLock { state in
      state.seconds[span.kind, default: 0] += (ContinuousClock.now - span.begin) / .seconds(1)
      state.isInside = false
    }
  }
}
