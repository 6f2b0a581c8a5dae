import Checkpoint
import Errors
import Files
import Foundation
import Layers
import MPI
import Memory
import Monitoring
import Optimization
import Parallel
import Shards

extension ExchangeCost {
  /// Of a model's training.
  fileprivate init(_ exchange: ExchangeSettings, _ task: some TrainingTask, _ optimizer: any Optimizer, _ grid: ProcessGrid) {
    self.init(
      exchange, task.table, precision: task.precision, nodes: grid.nodeCount, ranksPerNode: grid.node.size,
      granularity: optimizer.granularity(of:))
  }
}

extension NodeParameterStore {
  /// What a training keeps, with gradients of as many blocks as memory allows. Collective.
  ///
  /// - Throws: `DalleError` if the memory cannot be had.
  convenience init(
    for task: some TrainingTask, _ config: TrainingConfig, optimizer: any Optimizer, grid: ProcessGrid, parallel: ParallelConfig,
    exchange: ExchangeSettings, clock: PhaseClock
  ) throws {
    let memory = try TrainingMemory(
      task, config, state: optimizer.state + config.ema.average.state + exchange.state, grid: grid,
      exchange: ExchangeCost(exchange, task, optimizer, grid), gradientBlocks: parallel.gradientBlocks)
    try self.init(
      task.table, grid: grid, optimizer: optimizer, others: config.ema.average.state, precision: task.precision,
      gradientBlocks: memory.gradientBlocks, exchange: exchange, clock: clock)
  }
}

/// Trains one model: the loop that every stage shares. A task says what the model is; the grid says who computes.
package final class Trainer<Task: TrainingTask> {
  private let task: Task
  private let config: TrainingConfig
  private let grid: ProcessGrid
  private let parameters: NodeParameterStore
  private let update: TrainingStep<Task>
  private let checkpoints: CheckpointStore
  private let log: EventLog
  private let stop: StopRequest
  private let samplesFolder: String
  private let monitor: RunMonitor
  private let exchangeCost: ExchangeCost
  private var state: TrainingState
  /// Of the coordinator.
  private var health: TrainingHealth?
  /// Whether the coordinator has reported a skipped update.
  private var hasSkipped = false
  /// Whether a validation has found no samples.
  private var hasNoValidation = false
  /// Of steps since the ranks' times were compared last.
  private var times = PhaseSeconds()
  private var timedSteps = 0

  /// - Parameters:
  ///   - parallel: blocks of gradients, and when nodes begin to compress theirs.
  ///   - exchange: how nodes sum gradients.
  ///   - folder: where the stage keeps its checkpoints.
  ///   - seed: decides the initial weights.
  ///   - state: configuration and input hashes; position and counters come from the newest checkpoint, if there is one.
  package init(
    _ task: Task, _ config: TrainingConfig, optimizer: any Optimizer, grid: ProcessGrid, parallel: ParallelConfig,
    exchange: ExchangeSettings, folder: String, samplesFolder: String, seed: UInt64, state: TrainingState, monitor: RunMonitor,
    stop: StopRequest
  ) throws {
    self.task = task
    self.config = config
    self.grid = grid
    (self.monitor, log) = (monitor, monitor.log)
    self.stop = stop
    self.samplesFolder = samplesFolder
    self.state = state
    if grid.isCoordinator {
      health = TrainingHealth(stage: task.name, job: monitor.job, checkpointEvery: config.checkpointEvery)
    }
    exchangeCost = ExchangeCost(exchange, task, optimizer, grid)
    parameters = try NodeParameterStore(
      for: task, config, optimizer: optimizer, grid: grid, parallel: parallel, exchange: exchange, clock: monitor.clock)
    let compressionStart = parallel.powersgd.firstStep(warmupSteps: config.lr.warmupSteps)
    update = TrainingStep(
      task, config, optimizer: optimizer, grid: grid, parameters: parameters, compressionStart: compressionStart)
    checkpoints = try CheckpointStore(
      folder: folder, grid: grid, keepLast: config.keepLast, keepEvery: config.keepEvery,
      warn: { [log] in try? log.warning($0, stage: task.name) })
    if grid.nodeCount > 1 {
      try log.message("network: \(exchangeCost.text(exchange, firstStep: compressionStart))", stage: task.name)
    }
    try resumeOrStart(seed: seed)
  }

  /// A run starts from its newest checkpoint, or from the seed.
  private func resumeOrStart(seed: UInt64) throws {
    let start = state
    if let restored = try checkpoints.loadLatest(TrainingState.self, into: parameters, defaults: TrainingState.Defaults()) {
      for (name, hash) in start.inputs where restored.inputs[name] != hash {
        throw DalleError(
          .configuration,
          "\(checkpoints.folder): these checkpoints were trained with another \(name) (SHA-256 "
            + "\((restored.inputs[name] ?? "none").prefix(12)), now \(hash.prefix(12))); use another --run, or delete them")
      }
      state = restored
      state.config = start.config
      state.ranks = start.ranks
      if !parameters.isLocal { state.roundUpdates = 0 }
      try parameters.refreshComputeCopy()
    } else {
      try parameters.initialize(seed: seed, given: task.initialValues)
    }
    try parameters.verifyEqualWeights()
  }

  /// Whether every update has been done, or the validation has not become better for so long that no more are.
  package var isFinished: Bool { state.step >= config.steps || state.stopping.endsTraining(patience: config.patience) }

  /// The step whose checkpoint has the weights of the model: of the best validation, with `patience`; else of the last update.
  package var modelStep: Int { config.patience > 0 && state.stopping.bestStep > 0 ? state.stopping.bestStep : state.step }

  /// Trains to the last step. Collective.
  ///
  /// - Throws: `DalleError` of kind `stopped` if a stop was requested earlier; `diverged` if too many updates were skipped
  ///   (`maxSkipped`), or weights are not finite. Whatever it throws, a checkpoint that was begun is on disk.
  package func run() throws {
    if !isFinished { try stop.whileSaving(train) }
    guard config.patience > 0, let loss = state.stopping.bestLoss else { return }
    let best = "the best validation was that of step \(state.stopping.bestStep), with a loss of \(String(format: "%.4f", loss))"
    try log.message(
      state.step < config.steps ? "ended at step \(state.step) of \(config.steps) (patience \(config.patience)): \(best)" : best,
      stage: task.name)
  }

  private func train() throws {
    let load = task.load
    let part = ProcessGrid.share(of: config.batch, rank: grid.world.rank, ranks: grid.world.size)
    let batches = Prefetcher(startingAt: state.step, capacity: LoadedBatches.waiting) { step in try load(step, part) }
    defer { batches.stop() }
    do {
      try train(batches)
    } catch {
      checkpoints.finishAfterError()
      throw error
    }
  }

  private func train(_ batches: Prefetcher<Task.Batch>) throws {
    let clock = monitor.clock
    try log.record(.trainingBegun(facts()), stage: task.name, step: state.step)
    // A training that was stopped before or in a validation that decides makes up for it.
    if config.patience > 0, state.step > 0, isDue(config.validateEvery), state.stopping.validatedStep != state.step {
      try validateAndSave(always: false)
    }
    while !isFinished {
      monitor.status.set(stage: task.name, step: state.step)
      clock.take()
      let batch = try clock.measure(.data) { try batches.next() }
      let outcome = try update.run(batch, &state, stop: stop.isRaised) {
        try clock.measure(.checkpoint) { try checkpoints.waitUntilRead() }
      }
      if !outcome.applied { try reportSkip(outcome) }

      // Below: not training.
      state.skipped.add(isSkipped: !outcome.applied)
      let isDiverged = state.skipped.areTooMany(most: config.maxSkipped, isFinished: isFinished)
      // A skipped update has changed nothing: its checkpoint would only push out an older one, which may be from before the divergence.
      let isSaved = isDue(config.checkpointEvery) && (outcome.applied || isFinished)
      // What decides about the model is part of the checkpoint.
      let decides = config.patience > 0 && isDue(config.validateEvery) && !outcome.stopRequested
      if !isDiverged, !decides, isSaved || outcome.stopRequested { try save() }
      try record(outcome)
      if isDiverged { throw divergence }
      if outcome.stopRequested {
        try checkpoints.finish()
        try log.message("stopped by a signal after step \(state.step), with a checkpoint", stage: task.name)
        try grid.world.barrier()
        throw stop.error
      }
      if decides {
        try validateAndSave(always: isSaved)
      } else if isDue(config.validateEvery) {
        try validate()
      }
      if isDue(config.sampleEvery) { try generateSamples() }
      if isDue(config.verifyEvery) { try parameters.verifyEqualWeights() }
    }
    monitor.status.set(stage: task.name, step: state.step)
    try log.reporting("writes the checkpoint", stage: task.name) { try checkpoints.finish() }
    try grid.world.barrier()
  }

  // MARK: Not training

  /// At multiples of `every`, and at the last step; never for 0.
  private func isDue(_ every: Int) -> Bool { every > 0 && (state.step % every == 0 || isFinished) }

  private var divergence: DalleError {
    let newest = (try? CheckpointStore.steps(in: checkpoints.folder))?.last
    let resumes = newest.map { "it resumes from step \($0)" } ?? "it begins anew"
    return DalleError(
      .diverged,
      "\(checkpoints.folder): the training of `\(task.name)` has diverged: \(state.skipped.text) were skipped, because loss or gradient was "
        + "not finite (limit \(config.maxSkipped) of \(SkippedUpdates.window): \(task.name).training.maxSkipped). Set "
        + "\(task.name).training.lr.peak lower and start again: \(resumes); or begin anew with --restart-from \(task.name)")
  }

  /// Collective.
  private func facts() throws -> TrainingFacts {
    TrainingFacts(
      job: monitor.job, steps: config.steps, logEvery: config.logEvery, batch: config.batch,
      parameters: task.table.parameterCount, unit: task.unit.name, unitsPerSample: task.unit.perSample,
      flopsPerSample: task.flops, gemmPeak: try monitor.gemmPeak(task.precision), sentBytes: exchangeCost.sent)
  }

  private func save() throws {
    let start = ContinuousClock.now
    try monitor.clock.measure(.checkpoint) {
      try checkpoints.save(
        step: state.step, parameters: parameters, state: state, keeping: config.patience > 0 ? state.stopping.bestStep : nil)
    }
    let waited = (ContinuousClock.now - start) / .seconds(1)
    try warn(
      health?.observe(
        checkpoint: state.step, time: Date().timeIntervalSince1970, waited: waited, byteCount: parameters.keptByteCount,
        free: freeByteCount(checkpoints.folder)))
    try log.record(.checkpoint(path: checkpoints.path(step: state.step)), stage: task.name, step: state.step)
  }

  /// Of an update that was skipped, because loss or gradient was not finite.
  private func reportSkip(_ outcome: TrainingStep<Task>.Outcome) throws {
    guard grid.isCoordinator, !hasSkipped else { return }
    hasSkipped = true
    try warn([
      "step \(state.step) changed nothing: \(outcome.nonFiniteBlock.map { "the gradient of block \($0)" } ?? "the loss") is not finite. If that happens "
        + "often, set \(task.name).training.lr.peak lower; with more than \(config.maxSkipped) of \(SkippedUpdates.window) updates skipped, "
        + "training ends (maxSkipped)"
    ])
  }

  private func record(_ outcome: TrainingStep<Task>.Outcome) throws {
    let seconds = monitor.clock.take()
    times += seconds
    timedSteps += 1
    let ranks = try isDue(config.logEvery) ? usageOfRanks() : []
    let metrics = StepMetrics(
      loss: outcome.report.loss, losses: outcome.report.parts.map { Metric($0.name, $0.value) }, gradientNorm: outcome.norm,
      lr: outcome.rate,
      throughput: Metric("\(task.unit.name)PerSecond", Double(config.batch) * task.unit.perSample / seconds.total),
      seconds: seconds.total, isSkipped: !outcome.applied, slowest: SlowestRank(ranks))
    try log.record(.step(metrics), stage: task.name, step: state.step)
    try warn(health?.observe(metrics))
    guard !ranks.isEmpty else { return }
    try log.record(.ranks(ranks, over: timedSteps), stage: task.name, step: state.step)
    try warn(health?.observe(ranks, over: timedSteps))
    (times, timedSteps) = (PhaseSeconds(), 0)
  }

  /// Collective.
  private func usageOfRanks() throws -> [RankUsage] {
    try grid.world.allGather(RankUsage(seconds: times / Double(timedSteps), memory: residentBytes(), cores: .now()))
  }

  /// A validation that may be the best so far, and whose checkpoint is then kept for the model.
  ///
  /// - Parameter always: there is a checkpoint whatever the validation says.
  private func validateAndSave(always: Bool) throws {
    try validate()
    if always || isFinished || state.stopping.bestStep == state.step { try save() }
  }

  /// Validation is for people, unless there is `patience`: where it fails on a rank, training continues without its numbers.
  private func validate() throws {
    let weights = try evaluatedWeights()
    let sums = Result {
      try log.reporting("validates", stage: task.name) {
        try monitor.clock.measure(.validate) {
          try task.validate(rank: grid.world.rank, of: grid.world.size, source: StoppableStore(weights, stop))
        }
      }
    }
    var failures = [0]
    if case .failure(let error) = sums {
      failures = [1]
      try warn("there is no validation after step \(state.step)", error)
    }
    try grid.world.allReduce(&failures, .sum)
    guard failures[0] == 0, var totals = try? sums.get() else { return }
    try grid.world.allReduce(&totals, .sum)
    let metrics = task.validationReport(totals).map { Metric($0.name, $0.value) }
    guard let loss = metrics.first?.value else {
      if config.patience > 0, !hasNoValidation {
        try warn([
          "`\(task.name).training.patience` is \(config.patience), and there are no samples to validate with: all steps are made, and the model "
            + "has the weights of the last; set data.validation"
        ])
      }
      hasNoValidation = true
      return
    }
    if config.patience > 0 { state.stopping.observe(loss, step: state.step) }
    try log.record(.validation(metrics), stage: task.name, step: state.step)
    try warn(health?.observe(validation: metrics, step: state.step))
    for (name, counts) in task.validationHistograms(totals) {
      try log.record(.histogram(name: name, counts: counts), stage: task.name, step: state.step)
    }
  }

  /// The weights that the finished model will have if training ends here: their EMA, where there is one. With local updates, those of the
  /// newest exchange: a node's own are no model yet. Collective.
  private func evaluatedWeights() throws -> any ParameterStore {
    if let ema = config.ema.average.state.first { return try parameters.reading(ema) }
    return try parameters.isLocal ? parameters.reading(OuterOptimizer.weights) : parameters.gathered()
  }

  /// Samples come from the same weights as validation. Where that fails, training continues without them.
  private func generateSamples() throws {
    let weights = try evaluatedWeights()
    guard grid.isCoordinator else { return }
    let path = "\(samplesFolder)/\(task.name)-\(zeroPadded(state.step, digits: 8)).png"
    do {
      let image = try log.reporting("generating samples", stage: task.name) {
        try monitor.clock.measure(.sample) { try task.sampleImage(StoppableStore(weights, stop)) }
      }
      guard let image else { return }
      try image.write(to: path)
    } catch { return try warn("there are no sample images after step \(state.step)", error) }
    try log.record(.sampleGrid(path: path), stage: task.name, step: state.step)
  }

  private func warn(_ texts: [String]?) throws {
    for text in texts ?? [] { try log.record(.warning(text), stage: task.name, step: state.step) }
  }

  /// A stop that was requested is no failure: the next step ends the training.
  private func warn(_ what: String, _ error: any Error) throws {
    if (error as? DalleError)?.kind == .stopped { return }
    try log.record(.warning("\(what): \(error)"), stage: task.name, step: state.step)
  }
}
