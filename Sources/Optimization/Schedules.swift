#if canImport(Glibc)
  import Glibc
#endif

/// A value that goes from `from` to `to` over `steps` updates along half a cosine and stays there (appendix A.2).
public struct CosineRamp: Codable, Sendable, Equatable {
  public var from: Double
  public var to: Double
  public var steps: Int

  public init(from: Double, to: Double, steps: Int) {
    self.from = from
    self.to = to
    self.steps = steps
  }

  public func value(at step: Int) -> Double {
    if step >= steps { return to }
    return to + (from - to) * 0.5 * (1 + cos(Double.pi * Double(step) / Double(steps)))
  }
}

/// The learning rate over a run: linear warm-up, then one of three courses.
public struct RateConfig: Codable, Sendable, Equatable {
  public enum Course: String, Codable, Sendable, CaseIterable {
    /// The peak, for ever.
    case constant
    /// Half a cosine from the peak to `final` at the last step.
    case cosine
    /// Halved each time the training loss stops falling, `halvings` times at most (appendix B.2).
    case plateau
  }
  public var course: Course = .cosine
  public var peak = 4.5e-4
  public var final = 0.0
  /// Updates of linear warm-up from 0 to the peak.
  public var warmup = 0
  /// For `plateau`: updates whose mean loss is compared with the best mean so far.
  public var plateauWindow = 2000
  /// For `plateau`: the share by which a window's mean must undercut the best to count as progress.
  public var plateauThreshold = 0.001
  /// For `plateau`: most halvings.
  public var halvings = 5

  public init() {}

  /// The rate of update number `step` (from 0) in a run of `steps`.
  public func value(at step: Int, of steps: Int, plateau: PlateauState) -> Double {
    if step < warmup { return peak * Double(step + 1) / Double(warmup) }
    switch course {
    case .constant: return peak
    case .cosine: return CosineRamp(from: peak, to: final, steps: max(1, steps - warmup)).value(at: step - warmup)
    case .plateau: return peak * exp2(Double(-plateau.halvings))
    }
  }
}

/// What the plateau course remembers between updates; part of a checkpoint.
public struct PlateauState: Codable, Sendable, Equatable {
  public private(set) var halvings = 0
  private var best: Double?
  private var sum = 0.0
  private var count = 0

  public init() {}

  /// Adds an update's training loss; after a full window without progress the rate is halved.
  public mutating func observe(_ loss: Double, _ config: RateConfig) {
    guard config.course == .plateau else { return }
    sum += loss
    count += 1
    guard count >= config.plateauWindow else { return }
    let mean = sum / Double(count)
    if let best, mean > best * (1 - config.plateauThreshold) {
      if halvings < config.halvings { halvings += 1 }
    }
    best = min(best ?? mean, mean)
    sum = 0
    count = 0
  }
}
