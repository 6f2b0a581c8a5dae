import Kernels
import Monitoring
import Optimization
import Parallel

/// One update of a model over all ranks: micro-batches forward and backward, gradients reduced meanwhile, one sweep of the
/// optimiser. It knows no files.
package struct TrainingStep<Task: TrainingTask> {
  private let task: Task
  private let config: TrainingConfig
  private let grid: ProcessGrid
  private let parameters: NodeParameterStore
  private let optimizer: any Optimizer
  private let ema: ExponentialMovingAverage
  private let compressionStart: Int
  private let clock: PhaseClock

  /// - Parameters:
  ///   - parameters: the task's, which keeps the state of `optimizer` and of the EMA.
  ///   - compressionStart: first step whose gradients nodes may compress.
  package init(
    _ task: Task, _ config: TrainingConfig, optimizer: any Optimizer, grid: ProcessGrid, parameters: NodeParameterStore,
    compressionStart: Int = 0
  ) {
    self.compressionStart = compressionStart
    clock = parameters.clock
    (self.task, self.config, self.optimizer, self.grid, self.parameters) = (task, config, optimizer, grid, parameters)
    ema = config.ema.average
  }

  /// What became of an update: the same on all ranks.
  package struct Outcome {
    package var report: LossReport
    /// Of the whole gradient, before clipping.
    package var norm: Double
    package var rate: Double
    /// False where loss or norm was not finite; the weights are then as they were.
    package var applied: Bool
    /// Some rank asked to stop.
    package var stopRequested: Bool
  }

  /// - Parameters:
  ///   - batch: this rank's part.
  ///   - state: its counters go one further.
  ///   - stop: this rank asks all to stop after the update.
  ///   - beforeUpdate: called before the weights change.
  package func run(
    _ batch: Task.Batch, _ state: inout TrainingState, stop: Bool, beforeUpdate: () throws -> Void
  ) throws -> Outcome {
    // Denominators of the whole batch (tokens, samples), so that any number of ranks scales gradients alike.
    var shared = task.denominators(batch) + [stop ? 1 : 0]
    try grid.world.allReduce(&shared, .sum)
    let stopRequested = shared.removeLast() > 0

    var sums: [Double] = []
    let count = task.count(batch)
    let microBatches = stride(from: 0, to: count, by: config.microBatch).map { $0..<min($0 + config.microBatch, count) }
    try parameters.beginStep(microBatches: microBatches.count, isCompressing: state.step >= compressionStart)
    for rows in microBatches {
      // The backward pass begins where the store is first asked for a gradient.
      let part = try clock.measure(.forward) {
        try task.forwardBackward(batch, rows: rows, step: state.step, denominators: shared, source: parameters)
      }
      sums = sums.isEmpty ? part : zip(sums, part).map(+)
    }
    try parameters.finishReduction()

    // A rank without samples has no sums of its own; every rank must bring equally many.
    var totals = sums.isEmpty ? [Double](repeating: 0, count: task.sumCount) : sums
    try grid.world.allReduce(&totals, .sum)
    let norm = try clock.measure(.update) { try parameters.gradientNorm() }
    let report = task.report(totals)
    let rate = config.lr.value(at: state.step, of: config.steps, plateau: state.plateau)

    // Norm and loss are the same on all ranks, so all skip or none does.
    let applied = norm.isFinite && report.loss.isFinite
    try beforeUpdate()
    if applied { state.updates += 1 }
    try clock.measure(.update) {
      if applied { try apply(UpdateContext(number: state.updates, lr: rate, gradientNorm: norm)) }
      try parameters.finishUpdate()
    }
    if applied { state.plateau.observe(report.loss, config.lr) }
    state.step += 1
    return Outcome(report: report, norm: norm, rate: rate, applied: applied, stopRequested: stopRequested)
  }

  /// Optimizer, EMA and compute copy of all that this rank keeps.
  private func apply(_ update: UpdateContext) throws {
    try parameters.forEachOwnedPiece { piece in
      optimizer.update(piece, update)
      ema.update(piece, number: update.number)
      if let computeCopy = piece.computeCopy { round(piece.weights, into: computeCopy) }
    }
  }
}
