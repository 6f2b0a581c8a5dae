import Kernels
import Monitoring
import Optimization
import Parallel

/// One update of a model over all ranks: micro-batches forward and backward, gradients reduced meanwhile, one sweep of the
/// optimiser. With local updates each node makes its own, and the last step of a round makes the nodes equal. It knows no files.
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
    /// Of the whole gradient, before clipping; with local updates, the mean over the nodes.
    package var norm: Double
    package var rate: Double
    /// False where loss or norm was not finite; the weights are then as they were.
    package var applied: Bool
    /// The first block whose gradient was not finite.
    package var nonFiniteBlock: String?
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
    // Denominators of the whole batch (tokens, samples), so that any number of ranks scales gradients alike; of the node's part where
    // the update is the node's.
    var shared = task.denominators(batch)
    try (parameters.isLocal ? grid.node : grid.world).allReduce(&shared, .sum)

    var sums: [Double] = []
    let count = task.count(batch)
    let microBatches = stride(from: 0, to: count, by: config.microBatch).map { $0..<min($0 + config.microBatch, count) }
    try parameters.beginStep(microBatches: microBatches.count, isCompressing: state.step >= compressionStart)
    for rows in microBatches {
      // The backward pass begins where the store is first asked for a gradient.
      let part = try clock.measure(.forward) {
        try parameters.overlapping {
          try task.forwardBackward(batch, rows: rows, step: state.step, denominators: shared, source: parameters)
        }
      }
      sums = sums.isEmpty ? part : zip(sums, part).map(+)
    }
    try parameters.finishReduction()

    // A rank without samples has no sums of its own; every rank must bring equally many.
    var totals = sums.isEmpty ? [Double](repeating: 0, count: task.sumCount) : sums
    let norm = try clock.measure(.update) { try parameters.gradientNorm() }
    totals += [grid.node.rank == 0 ? norm : 0, stop ? 1 : 0]
    try grid.world.allReduce(&totals, .sum)
    let stopRequested = totals.removeLast() > 0
    let meanNorm = totals.removeLast() / Double(grid.nodeCount)
    let report = task.report(totals)
    let rate = config.lr.value(at: state.step, of: config.steps, plateau: state.plateau)

    // The norms of all nodes are in the mean. It and the loss are the same on all ranks, so all skip or none does.
    let applied = meanNorm.isFinite && report.loss.isFinite
    let nonFiniteBlock = applied ? nil : try parameters.firstNonFiniteBlock()
    try beforeUpdate()
    if applied {
      state.updates += 1
      if parameters.isLocal { state.roundUpdates += 1 }
    }
    try clock.measure(.update) {
      if applied { try apply(UpdateContext(number: state.updates, lr: rate, gradientNorm: norm)) }
      try parameters.finishUpdate()
    }
    if applied { state.plateau.observe(report.loss, config.lr) }
    state.step += 1
    if parameters.isLocal, parameters.endsRound(state.step) || state.step == config.steps { try finishRound(&state) }
    return Outcome(
      report: report, norm: meanNorm, rate: rate, applied: applied, nonFiniteBlock: nonFiniteBlock, stopRequested: stopRequested)
  }

  /// Optimizer, EMA and compute copy of all that this rank keeps.
  private func apply(_ update: UpdateContext) throws {
    try parameters.forEachOwnedPiece { piece in
      optimizer.update(piece, update)
      if !parameters.isLocal { ema.update(piece, number: update.number) }
      if let computeCopy = piece.computeCopy { round(piece.weights, into: computeCopy) }
    }
  }

  /// What nodes have learned apart from each other becomes common. The EMA is one of weights that all have: it gets the new ones, as often
  /// as was due within the round.
  private func finishRound(_ state: inout TrainingState) throws {
    let updates = state.updates - state.roundUpdates..<state.updates
    try parameters.finishRound { piece in
      ema.update(piece, after: updates)
      if let computeCopy = piece.computeCopy { round(piece.weights, into: computeCopy) }
    }
    state.roundUpdates = 0
  }
}
