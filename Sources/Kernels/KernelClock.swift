/// Seconds that kernels take, by kind: for benchmarks. Off, it costs a test a call. While it is on, one thread alone may call
/// kernels.
public enum KernelClock {
  enum Kind: String {
    case matmul, attention, convolutions, norms, activations, biases, crossEntropy, logitLaplace, relaxation, resampling, rounding
  }

  /// A kernel under way; nil while the clock is off, and inside another kernel, which is counted whole.
  struct Span {
    let kind: Kind
    let begin: ContinuousClock.Instant
  }

  nonisolated(unsafe) private static var isOn = false
  nonisolated(unsafe) private static var isInside = false
  nonisolated(unsafe) private static var seconds: [Kind: Double] = [:]

  public static func start() { (isOn, seconds) = (true, [:]) }

  /// The seconds since `start`, by kind.
  public static func stop() -> [String: Double] {
    isOn = false
    return Dictionary(uniqueKeysWithValues: seconds.map { ($0.key.rawValue, $0.value) })
  }

  @inline(__always) static func begin(_ kind: Kind) -> Span? {
    if !isOn || isInside { return nil }
    isInside = true
    return Span(kind: kind, begin: .now)
  }

  @inline(__always) static func end(_ span: Span?) {
    guard let span else { return }
    seconds[span.kind, default: 0] += (ContinuousClock.now - span.begin) / .seconds(1)
    isInside = false
  }
}
