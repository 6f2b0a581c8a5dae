/// What the steps of a stage tell, `logs/STAGE.steps.jsonl`, in bounded memory: the whole run thinned, its recent part step by step.
package struct TrainingHistory: Sendable {
  /// How a job began, or resumed, the training.
  package struct Beginning: Sendable {
    package var version = 1
    package var time = 0.0
    package var step = 0
    package var steps = 0
    package var ranks = 0
    package var hosts: [String] = []
    package var hostOfRank: [Int] = []
    package var precision = ""
    package var batch = 0
    package var parameters = 0
    package var unit = ""
    /// FLOPs of a sample; FLOP/s of large GEMMs on all ranks. 0 where they are not known.
    package var flopsPerSample = 0.0
    package var gemmPeak = 0.0

    /// The name of a rank's host; nil where it is not known.
    package func host(of rank: Int) -> String? {
      guard hostOfRank.indices.contains(rank), hosts.indices.contains(hostOfRank[rank]) else { return nil }
      return hosts[hostOfRank[rank]]
    }
  }

  package struct Step: Sendable {
    package var step = 0
    package var time = 0.0
    package var loss = Double.nan
    package var losses: [NamedNumber] = []
    package var gradientNorm = Double.nan
    package var lr = Double.nan
    package var seconds = Double.nan
    package var throughput = Double.nan
    package var isSkipped = false
    package var slowest: SlowestRank?
  }

  /// The rank that the others waited for of late, and its time without waiting against the median.
  package struct SlowestRank: Sendable, Equatable {
    package var rank = 0
    package var ratio = 1.0
  }

  package struct Validation: Sendable {
    package var step = 0
    package var values: [NamedNumber] = []
  }

  /// Steps of the recent part.
  package static let recentCount = 500
  /// Parts of the loss that are kept.
  private static let partCount = 16

  package var beginning: Beginning?
  package var last: Step?
  package var skippedCount = 0
  package var lastSkipped: Int?
  package var slowest: SlowestRank?
  package var loss = ThinnedSeries()
  /// In the order in which they are logged.
  package var parts: [(name: String, series: ThinnedSeries)] = []
  /// The newest, and the one before.
  package var validations: [Validation] = []
  /// Lines that cannot be parsed.
  package var damagedCount = 0
  private var steps: [Step] = []
  /// How many of `steps` are of the newest job.
  private var stepsOfJob = 0

  package init() {}

  /// The newest steps, ascending.
  package var recent: ArraySlice<Step> { steps.suffix(Self.recentCount) }

  /// The newest steps of the newest job, which one pace holds for.
  private var paced: ArraySlice<Step> { steps.suffix(min(stepsOfJob, 200)) }

  /// Units per second over the newest steps.
  package var throughput: Double? { mean(\.throughput) }

  /// Seconds of a step, without validation and samples.
  package var secondsPerStep: Double? { mean(\.seconds) }

  /// The part of the GEMMs' peak that the newest steps reach.
  package var shareOfPeak: Double? {
    guard let beginning, let secondsPerStep, beginning.gemmPeak > 0, beginning.flopsPerSample > 0, secondsPerStep > 0 else {
      return nil
    }
    return Double(beginning.batch) * beginning.flopsPerSample / secondsPerStep / beginning.gemmPeak
  }

  private func mean(_ value: KeyPath<Step, Double>) -> Double? {
    let values = paced.suffix(50).map { $0[keyPath: value] }.filter(\.isFinite)
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// Seconds until the last step, at the pace of the newest steps, with what is between them.
  package var secondsLeft: Double? {
    guard let beginning, let first = paced.first, let last else { return nil }
    let left = Double(max(0, beginning.steps - last.step))
    if last.step > first.step { return left * max(0, last.time - first.time) / Double(last.step - first.step) }
    return secondsPerStep.map { $0 * left }
  }

  mutating func add(_ beginning: Beginning) {
    self.beginning = beginning
    (stepsOfJob, slowest) = (0, nil)
  }

  mutating func add(_ step: Step) {
    last = step
    loss.add(step.loss, step: step.step)
    for part in step.losses.prefix(Self.partCount) {
      let index = parts.firstIndex { $0.name == part.name } ?? parts.count
      if index == Self.partCount { continue }
      if index == parts.count { parts.append((part.name, ThinnedSeries())) }
      parts[index].series.add(part.value, step: step.step)
    }
    if step.isSkipped { (skippedCount, lastSkipped) = (skippedCount + 1, step.step) }
    slowest = step.slowest ?? slowest
    // Later steps are of an earlier job then; what is shown ascends.
    while let last = steps.last, last.step >= step.step {
      steps.removeLast()
      stepsOfJob = max(0, stepsOfJob - 1)
    }
    steps.append(step)
    stepsOfJob += 1
    // Half is dropped at a time, so that each step is moved once.
    if steps.count >= 2 * Self.recentCount { steps.removeFirst(Self.recentCount) }
  }

  mutating func add(_ validation: Validation) { validations = validations.suffix(1) + [validation] }
}
