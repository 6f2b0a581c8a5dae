#if canImport(Glibc)
  import Glibc
#endif

/// A value that goes from `from` to `to` over `steps` updates along half a cosine and stays there (appendix A.2).
package struct CosineRamp: Codable, Sendable, Equatable {
  package var from: Double
  package var to: Double
  package var steps: Int

  package init(from: Double, to: Double, steps: Int) {
    self.from = from
    self.to = to
    self.steps = steps
  }

  package func value(at step: Int) -> Double {
    if step >= steps { return to }
    return to + (from - to) * 0.5 * (1 + cos(Double.pi * Double(step) / Double(steps)))
  }
}

/// The learning rate over a run: linear warm-up, then one of four schedules. A key that begins with `plateau` is for that schedule.
package struct LearningRateConfig: Codable, Sendable, Equatable {
  package enum Schedule: String, Codable, Sendable, CaseIterable {
    /// The peak, to the end.
    case constant
    /// Half a cosine from the peak to `final`, over `decaySteps` or what is left of the training.
    case cosine
    /// The peak, and linearly to `final` in the last `decaySteps`, or in a fifth of the training (warm-up, stable, decay: Hu et al. 2024).
    /// As long as it is at the peak, the training can be made longer or shorter.
    case wsd
    /// Halved each time the training loss stops falling, `plateauHalvings` times at most (appendix B.2).
    case plateau
  }
  package var schedule: Schedule = .cosine
  package var peak = 4.5e-4
  package var final = 0.0
  /// Updates in which the rate falls to `final`; at most those after the warm-up. A cosine falls from there on, and stays at `final`; 0 is
  /// all of them. `wsd` falls at the end; 0 is a fifth of the training.
  package var decaySteps = 0
  /// Updates of each training that looks for the peak; 0 takes `peak` as it is.
  package var searchSteps = 0
  /// Updates of linear warm-up from 0 to the peak.
  package var warmupSteps = 0
  /// Updates whose mean loss is compared with the best mean so far.
  package var plateauWindow = 2000
  /// The share by which a window's mean must undercut the best to count as progress.
  package var plateauThreshold = 0.001
  /// Most halvings.
  package var plateauHalvings = 5

  package init() {}

  /// The same course, higher or lower.
  package func scaled(by share: Double) -> LearningRateConfig {
    var scaled = self
    (scaled.peak, scaled.final) = (share * peak, share * final)
    return scaled
  }

  /// The learning rate of update number `step` (from 0) in a run of `steps`.
  package func value(at step: Int, of steps: Int, plateau: PlateauState) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    let left = max(1, steps - warmupSteps)
    switch schedule {
    case .constant: return peak
    case .cosine:
      return CosineRamp(from: peak, to: final, steps: decaySteps > 0 ? min(decaySteps, left) : left).value(at: step - warmupSteps)
    case .wsd:
      let decay = min(decaySteps > 0 ? decaySteps : max(1, steps / 5), left)
      // The update after the last one would have `final`.
      return final + (peak - final) * min(1, max(0, Double(steps - step) / Double(decay)))
    case .plateau: return peak * exp2(Double(-plateau.halvings))
    }
  }
}

/// What the plateau schedule remembers between updates; part of a checkpoint.
package struct PlateauState: Codable, Sendable, Equatable {
  package private(set) var halvings = 0
  private var best: Double?
  private var sum = 0.0
  private var count = 0

  package init() {}

  /// Adds an update's training loss; after a full window without progress the learning rate is halved.
  package mutating func observe(_ loss: Double, _ config: LearningRateConfig) {
    guard config.schedule == .plateau else { return }
    sum += loss
    count += 1
    guard count >= config.plateauWindow else { return }
    let mean = sum / Double(count)
    // A share of the loss's size: losses may be negative.
    if let best, mean > best - config.plateauThreshold * abs(best) {
      if halvings < config.plateauHalvings { halvings += 1 }
    }
    best = min(best ?? mean, mean)
    sum = 0
    count = 0
  }
}
