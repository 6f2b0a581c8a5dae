/// What a training step spends its time on.
public enum Phase: String, CaseIterable, Sendable, Codable {
  /// Waiting for the next batch.
  case data
  case forward, backward
  /// Waiting for other ranks and reducing gradients after the backward pass.
  case communicate
  case update
  /// Waiting for a checkpoint.
  case checkpoint
}

/// Adds up the seconds of a step by phase.
public struct PhaseTimer: Sendable {
  private let start = ContinuousClock.now
  public private(set) var seconds: [Phase: Double] = [:]

  public init() {}

  public mutating func measure<Result>(_ phase: Phase, _ body: () throws -> Result) rethrows -> Result {
    let begin = ContinuousClock.now
    defer { add(phase, seconds: (ContinuousClock.now - begin) / .seconds(1)) }
    return try body()
  }

  public mutating func add(_ phase: Phase, seconds more: Double) { seconds[phase, default: 0] += more }

  /// Seconds since the timer was made.
  public var total: Double { (ContinuousClock.now - start) / .seconds(1) }
}
