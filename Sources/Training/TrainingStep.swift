import Monitoring
import Optimization
import Parallel

/// One update of a model over all ranks: micro-batches forward and backward, gradients reduced meanwhile, one sweep of the
/// optimiser. It knows no files.
public struct TrainingStep<Task: TrainingTask> {
  private let task: Task
  private let config: TrainingConfig
  private let grid: ProcessGrid
  private let parameters: SharedParameters

  /// - Parameter parameters: the task's, with the states that `StateNames` lists.
  public init(_ task: Task, _ config: TrainingConfig, grid: ProcessGrid, parameters: SharedParameters) {
    (self.task, self.config, self.grid, self.parameters) = (task, config, grid, parameters)
  }

  /// What became of an update: the same on all ranks.
  public struct Outcome {
    public var report: LossReport
    /// Of the whole gradient, before clipping.
    public var norm: Double
    public var rate: Double
    /// False where loss or norm was not finite; the weights are then as they were.
    public var applied: Bool
    /// Some rank asked to stop.
    public var stopRequested: Bool
  }

  /// - Parameters:
  ///   - batch: this rank's part.
  ///   - state: its counters go one further.
  ///   - stop: this rank asks all to stop after the update.
  ///   - beforeUpdate: called before the weights change.
  public func run(
    _ batch: Task.Batch, _ state: inout TrainingState, stop: Bool, timer: inout PhaseTimer,
    beforeUpdate: (inout PhaseTimer) throws -> Void
  ) throws -> Outcome {
    // Denominators of the whole batch (tokens, samples), so that any number of ranks scales gradients alike.
    var shared = task.denominators(batch) + [stop ? 1 : 0]
    try timer.measure(.communicate) { try grid.world.allReduce(&shared, .sum) }
    let stopRequested = shared.removeLast() > 0

    var sums: [Double] = []
    let count = task.count(batch)
    let microBatches = stride(from: 0, to: count, by: config.microBatch).map { $0..<min($0 + config.microBatch, count) }
    parameters.beginStep()
    for (index, rows) in microBatches.enumerated() {
      parameters.publishes = index == microBatches.count - 1
      let part = try task.forwardBackward(batch, rows: rows, step: state.step, denominators: shared, source: parameters)
      timer.add(.forward, seconds: part.forwardSeconds)
      timer.add(.backward, seconds: part.backwardSeconds)
      sums = sums.isEmpty ? part.losses : zip(sums, part.losses).map(+)
    }
    if microBatches.isEmpty { try parameters.publishNothing() }
    try timer.measure(.communicate) { try parameters.finishReduction() }

    let (norm, totals) = try timer.measure(.communicate) { () -> (Double, [Double]) in
      // A rank without samples has no sums of its own; every rank must bring equally many.
      var totals = sums.isEmpty ? [Double](repeating: 0, count: task.sumCount) : sums
      try grid.world.allReduce(&totals, .sum)
      return (try parameters.globalSumOfSquares().squareRoot(), totals)
    }
    let report = task.report(totals)
    let rate = config.lr.value(at: state.step, of: config.steps, plateau: state.plateau)

    // Norm and loss are the same on all ranks, so all skip or none does.
    let applied = norm.isFinite && report.loss.isFinite
    try beforeUpdate(&timer)
    if applied { state.updates += 1 }
    try timer.measure(.update) {
      if applied { sweep(update: state.updates, rate: rate, norm: norm) }
      try parameters.finishUpdate()
    }
    if applied { state.plateau.observe(report.loss, config.lr) }
    state.step += 1
    return Outcome(report: report, norm: norm, rate: rate, applied: applied, stopRequested: stopRequested)
  }

  private func sweep(update: Int, rate: Double, norm: Double) {
    let optimizer = AdamW(config.adamw, update: update, rate: rate, gradientNorm: norm)
    let averages = update % config.ema.every == 0
    parameters.forEachOwnedSlice { slice in
      optimizer.update(
        task.table[slice.block], range: slice.range, weights: slice.weights, rounded: slice.rounded,
        gradient: slice.gradient, mean: slice.states[0], variance: slice.states[1],
        average: averages ? (values: slice.states[2], decay: Float(config.ema.decay)) : nil)
    }
  }
}
