/// The phases of a training step.
package enum Phase: String, CaseIterable, Sendable, Codable {
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
package struct PhaseTimer: Sendable {
  private let start = ContinuousClock.now
  package private(set) var seconds: [Phase: Double] = [:]

  package init() {}

  package mutating func measure<Result>(_ phase: Phase, _ body: () throws -> Result) rethrows -> Result {
    let begin = ContinuousClock.now
    defer { add(phase, seconds: (ContinuousClock.now - begin) / .seconds(1)) }
    return try body()
  }

  package mutating func add(_ phase: Phase, seconds more: Double) { seconds[phase, default: 0] += more }

  /// Seconds since the timer was made.
  package var total: Double { (ContinuousClock.now - start) / .seconds(1) }
}
