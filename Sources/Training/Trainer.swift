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
  private var state: TrainingState

  /// - Parameters:
  ///   - gradientBlocks: as configured (`parallel.gradientBlocks`).
  ///   - folder: where the stage keeps its checkpoints.
  ///   - seed: decides the initial weights.
  ///   - state: configuration and input hashes; position and counters come from the newest checkpoint, if there is one.
  package init(
    _ task: Task, _ config: TrainingConfig, optimizer: any Optimizer, grid: ProcessGrid, gradientBlocks: Int, folder: String,
    samplesFolder: String, seed: UInt64, state: TrainingState, log: EventLog, stop: StopRequest
  ) throws {
    self.task = task
    self.config = config
    self.grid = grid
    self.log = log
    self.stop = stop
    self.samplesFolder = samplesFolder
    self.state = state
    let memory = try TrainingMemory(
      task, state: optimizer.state + [ExponentialMovingAverage.state], node: grid.node, gradientBlocks: gradientBlocks)
    parameters = try NodeParameterStore(
      task.table, grid: grid, optimizer: optimizer, others: [ExponentialMovingAverage.state], precision: task.precision,
      gradientBlocks: memory.gradientBlocks)
    update = TrainingStep(task, config, optimizer: optimizer, grid: grid, parameters: parameters)
    checkpoints = try CheckpointStore(
      folder: folder, grid: grid, keepLast: config.keepLast, keepEvery: config.keepEvery,
      warn: { try? log.warning($0, stage: task.name) })
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
      try parameters.refreshComputeCopy()
    } else {
      try parameters.initialize(seed: seed)
    }
    try parameters.verifyEqualWeights()
  }

  /// Whether every update has been done.
  package var isFinished: Bool { state.step >= config.steps }

  /// Trains to the last step. Collective.
  ///
  /// - Throws: `DalleError` of kind `stopped` if a stop was requested earlier; a checkpoint is then on disk.
  package func run() throws {
    if !isFinished { try stop.whileSaving(train) }
  }

  private func train() throws {
    let load = task.load
    let part = ProcessGrid.share(of: config.batch, rank: grid.world.rank, ranks: grid.world.size)
    let batches = Prefetcher(startingAt: state.step, capacity: 3) { step in try load(step, part) }
    defer { batches.stop() }

    try log.record(.trainingBegun(steps: config.steps, logEvery: config.logEvery), stage: task.name, step: state.step)
    while state.step < config.steps {
      var timer = PhaseTimer()
      let step = state.step
      let batch = try timer.measure(.data) { try batches.next() }
      let outcome = try update.run(batch, &state, stop: stop.isRaised, timer: &timer) { timer in
        try timer.measure(.checkpoint) { try checkpoints.waitUntilRead() }
      }

      // Below: not training.
      if outcome.stopRequested {
        try save(&timer)
        try checkpoints.finish()
        try log.message("stopped by a signal after step \(state.step), with a checkpoint", stage: task.name)
        try grid.world.barrier()
        throw stop.error
      }
      if isDue(config.checkpointEvery) || isFinished { try save(&timer) }
      try record(outcome, step: step, timer: timer)
      if isDue(config.validateEvery) || isFinished { try validate() }
      if isDue(config.sampleEvery) || isFinished { try drawSamples() }
      if isDue(config.verifyEvery) { try parameters.verifyEqualWeights() }
    }
    try log.reporting("writes the checkpoint", stage: task.name) { try checkpoints.finish() }
    try grid.world.barrier()
  }

  // MARK: Not training

  private func isDue(_ every: Int) -> Bool { every > 0 && state.step % every == 0 && state.step < config.steps }

  private func save(_ timer: inout PhaseTimer) throws {
    try timer.measure(.checkpoint) { try checkpoints.save(step: state.step, parameters: parameters, state: state) }
    try log.record(.checkpoint(path: checkpoints.path(step: state.step)), stage: task.name, step: state.step)
  }

  private func record(_ outcome: TrainingStep<Task>.Outcome, step: Int, timer: PhaseTimer) throws {
    let seconds = timer.total
    let metrics = StepMetrics(
      loss: outcome.report.loss, losses: outcome.report.parts.map { Metric($0.name, $0.value) }, gradientNorm: outcome.norm,
      lr: outcome.rate, throughput: Metric("\(task.unit.name)PerSecond", Double(config.batch) * task.unit.perSample / seconds),
      seconds: seconds, phases: timer.seconds, resident: residentBytes(), isSkipped: !outcome.applied)
    try log.record(.step(metrics), stage: task.name, step: step + 1)
  }

  private func validate() throws {
    let ema = try parameters.reading(ExponentialMovingAverage.state)
    let mine = try log.reporting("validates", stage: task.name) {
      try unlessStopped { try task.validate(rank: grid.world.rank, of: grid.world.size, source: StoppableStore(ema, stop)) }
    }
    var stopped = [mine == nil ? 1 : 0]
    try grid.world.allReduce(&stopped, .maximum)
    guard var sums = mine, stopped[0] == 0 else { return }
    try grid.world.allReduce(&sums, .sum)
    let metrics = task.validationReport(sums).map { Metric($0.name, $0.value) }
    try log.record(.validation(metrics), stage: task.name, step: state.step)
  }

  /// What `body` gives, or nil if a stop was requested before it was done.
  private func unlessStopped<Result>(_ body: () throws -> Result) throws -> Result? {
    do { return try body() } catch let error as DalleError where error.kind == .stopped { return nil }
  }

  /// Samples come from the EMA weights, as those of the finished model will.
  private func drawSamples() throws {
    let ema = try parameters.reading(ExponentialMovingAverage.state)
    guard grid.isCoordinator else { return }
    let image = try log.reporting("generating samples", stage: task.name) {
      try unlessStopped { try task.sampleImage(StoppableStore(ema, stop)) }
    }
    guard let image = image ?? nil else { return }
    let path = "\(samplesFolder)/\(task.name)-\(zeroPadded(state.step, digits: 8)).png"
    try image.write(to: path)
    try log.record(.sampleGrid(path: path), stage: task.name, step: state.step)
  }
}
