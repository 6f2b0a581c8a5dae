/// What a rank does at a moment.
package enum Phase: Int, CaseIterable, Sendable {
  /// Waiting for the next batch.
  case data
  case forward, backward
  /// Waiting for other ranks: this one is done with something, and they are not.
  case wait
  /// Summing gradients, with every rank there.
  case communicate
  case update
  /// Waiting until a checkpoint's values are read.
  case checkpoint
  /// The rest of a step.
  case other
  // Beside training.
  case validate, sample

  package var name: String { "\(self)" }
  /// Those that make up a step.
  package static let ofStep = allCases.filter { $0.rawValue <= Phase.other.rawValue }
}

/// Seconds by phase.
package struct PhaseSeconds: Sendable, BitwiseCopyable {
  private var values = SIMD16<Double>()

  package init() {}

  package subscript(_ phase: Phase) -> Double {
    get { values[phase.rawValue] }
    set { values[phase.rawValue] = newValue }
  }

  package var total: Double { values.sum() }
  /// What this rank took itself: all but waiting for others.
  package var busy: Double { total - self[.wait] }

  package static func += (a: inout PhaseSeconds, b: PhaseSeconds) { a.values += b.values }
  package static func * (a: PhaseSeconds, factor: Double) -> PhaseSeconds {
    var result = a
    result.values *= factor
    return result
  }
  package static func / (a: PhaseSeconds, divisor: Double) -> PhaseSeconds {
    var result = a
    result.values /= divisor
    return result
  }
}
