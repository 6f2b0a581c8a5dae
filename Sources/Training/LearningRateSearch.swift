import Files
import Foundation
import Monitoring
import Optimization
import Parallel
import Shards

/// Finds which learning rate fits a model before it is trained: a short training with each of some peaks, from the same weights on the same
/// batches, of which the one that ends with the lowest loss is taken. A search that is stopped continues with the next peak.
struct LearningRateSearch {
  /// The learning rates that are tried, as shares of the configured one.
  static let shares = [0.25, 0.5, 1, 2, 4]

  struct Trial: Codable, Equatable {
    var peak: Double
    /// Mean of the last tenth of the steps; nil where an update was not finite.
    var loss: Double?
  }

  /// What the stage's folder keeps of a search.
  struct Record: Codable, Equatable {
    static let formatVersion = 1
    /// As configured.
    var peak: Double
    var steps: Int
    var trials: [Trial] = []

    /// The number of the trial that ended with the lowest loss; nil if all diverged.
    var best: Int? {
      trials.indices.filter { trials[$0].loss != nil }.min { trials[$0].loss! < trials[$1].loss! }
    }
  }

  private let training: TrainingConfig
  private let run: Run
  private let path: String

  /// - Parameter path: of the record.
  init(_ training: TrainingConfig, run: Run, path: String) { (self.training, self.run, self.path) = (training, run, path) }

  /// What to train with. Collective.
  ///
  /// - Parameter hasBegun: whether there is a checkpoint already.
  func result<Task: TrainingTask>(_ model: TrainingStage<Task>.Model, hasBegun: Bool) throws -> LearningRateConfig {
    let (lr, name) = (training.lr, model.task.name)
    guard lr.searchSteps > 0 else { return lr }
    var record = try run.grid.world.decide {
      let new = Record(peak: lr.peak, steps: lr.searchSteps)
      guard FileManager.default.fileExists(atPath: path) else { return new }
      let old = try VersionedJSON.read(Record.self, from: path, version: Record.formatVersion, defaults: [String: Int]())
      return old.peak == new.peak && old.steps == new.steps ? old : new
    }
    if hasBegun, record.trials.count < Self.shares.count {
      try run.log.message(
        "continues with a learning rate of \(Self.text(lr.peak)): the search (lr.searchSteps) is for the beginning", stage: name)
      return lr
    }
    var remaining = RemainingTime()
    remaining.observe(done: record.trials.count)
    for share in Self.shares.dropFirst(record.trials.count) {
      let trial = Trial(peak: share * lr.peak, loss: try loss(of: model, share: share))
      record.trials.append(trial)
      try run.grid.world.onCoordinator {
        try makeFolder((path as NSString).deletingLastPathComponent)
        try VersionedJSON.write(record, to: path, version: Record.formatVersion)
      }
      let end = trial.loss.map { "ends \(lr.searchSteps) steps with a loss of \(String(format: "%.4f", $0))" } ?? "diverges"
      remaining.observe(done: record.trials.count)
      let left =
        record.trials.count < Self.shares.count ? remaining.text(total: Self.shares.count).map { ", \($0) left" } ?? "" : ""
      try run.log.message(
        "search \(record.trials.count) of \(Self.shares.count): a learning rate of \(Self.text(trial.peak)) \(end)\(left)",
        stage: name)
    }
    guard let best = record.best else {
      try run.log.warning("no learning rate of the search is low enough; lr.peak is taken: set it lower", stage: name)
      return lr
    }
    let isAtEnd = best == 0 || best == Self.shares.count - 1
    try run.log.message(
      "trains with a learning rate of \(Self.text(record.trials[best].peak))"
        + (isAtEnd ? ", the \(best == 0 ? "lowest" : "highest") of the search" : ""), stage: name)
    return lr.scaled(by: Self.shares[best])
  }

  /// Trains for the search's steps with the configured schedule, and forgets what was trained. Collective.
  private func loss<Task: TrainingTask>(of model: TrainingStage<Task>.Model, share: Double) throws -> Double? {
    var config = training
    config.steps = training.lr.searchSteps
    config.lr = training.lr.scaled(by: share)
    config.lr.warmupSteps = min(config.lr.warmupSteps, config.steps / 4)
    config.lr.decaySteps = 0
    config.ema.every = 0
    let (task, grid, parallel) = (model.task, run.grid, run.config.parallel)
    let parameters = try NodeParameterStore(
      for: task, config, optimizer: model.optimizer, grid: grid, parallel: parallel, exchange: run.config.exchange,
      clock: run.monitor.clock)
    try parameters.initialize(seed: UInt64(run.config.seed), given: task.initialValues)
    let update = TrainingStep(
      task, config, optimizer: model.optimizer, grid: grid, parameters: parameters,
      compressionStart: parallel.powersgd.firstStep(warmupSteps: config.lr.warmupSteps))
    var state = try TrainingState(run.config, ranks: grid.world.size, inputs: [:])
    let (part, load) = (ProcessGrid.share(of: config.batch, rank: grid.world.rank, ranks: grid.world.size), task.load)
    let batches = Prefetcher(startingAt: 0, capacity: LoadedBatches.waiting) { step in try load(step, part) }
    defer { batches.stop() }
    var losses: [Double] = []
    for _ in 0..<config.steps {
      run.monitor.clock.take()
      let outcome = try update.run(try batches.next(), &state, stop: run.stop.isRaised) {}
      if outcome.stopRequested { throw run.stop.error }
      guard outcome.applied else { return nil }
      losses.append(outcome.report.loss)
    }
    let last = losses.suffix(max(1, losses.count / 10))
    return last.reduce(0, +) / Double(last.count)
  }

  private static func text(_ rate: Double) -> String { String(format: "%.3g", rate) }
}
