import Checkpoint
import Files
import Foundation
import Generation
import Optimization

/// A stage that trains a model with `Trainer` and puts its EMA weights into the model folder.
package struct TrainingStage<Task: TrainingTask>: Stage {
  /// A model that is ready to be trained.
  package struct Model {
    package var task: Task
    /// Size and shape, as JSON: what it takes to load the weights.
    package var shape: any Encodable
    package var optimizer: any Optimizer
    /// Which parameters, by name, the model folder gets.
    package var exports: @Sendable (_ parameter: String) -> Bool

    package init(
      task: Task, shape: any Encodable, optimizer: any Optimizer,
      exports: @escaping @Sendable (_ parameter: String) -> Bool = { _ in true }
    ) {
      (self.task, self.shape, self.optimizer, self.exports) = (task, shape, optimizer, exports)
    }
  }

  package let name: String
  private let training: TrainingConfig
  private let inputs: [StageInput]
  private let checkShape: (_ path: String) throws -> Void
  private let make: (_ run: Run, _ inputs: [String: String]) throws -> Model

  /// The product is `NAME.json` and `NAME.safetensors` in the model folder.
  ///
  /// - Parameters:
  ///   - checkShape: throws if the shape in a file that was given from elsewhere is not this run's.
  ///   - make: called on every rank when the stage begins, with the inputs' fingerprints by name. Collective.
  package init(
    _ name: String, _ training: TrainingConfig, inputs: [StageInput],
    checkShape: @escaping (_ path: String) throws -> Void = { _ in },
    make: @escaping (_ run: Run, _ inputs: [String: String]) throws -> Model
  ) {
    (self.name, self.training, self.inputs) = (name, training, inputs)
    (self.checkShape, self.make) = (checkShape, make)
  }

  package var work: Int { training.steps }
  package func inputs(in folder: RunFolder) -> [StageInput] { inputs }

  package func product(in folder: RunFolder) -> StageProduct {
    StageProduct(files: [shape(folder), weights(folder)], identity: [weights(folder)])
  }

  private func shape(_ folder: RunFolder) -> String { "\(folder.model)/\(name).json" }
  private func weights(_ folder: RunFolder) -> String { "\(folder.model)/\(name).safetensors" }

  package func checkGiven(in folder: RunFolder) throws { try checkShape(shape(folder)) }

  package func run(in run: Run, inputs: [String: String]) throws {
    let model = try make(run, inputs)
    try run.log.message(
      "\(model.task.table.parameterCount.formatted()) parameters, \(training.steps) steps of \(training.batch) samples, "
        + "in micro-batches of up to \(training.microBatch) per rank", stage: name)
    let checkpoints = run.folder.checkpoints(name)
    var training = training
    training.lr = try LearningRateSearch(training, run: run, path: "\(run.folder.work(name))/learning-rate.json")
      .result(model, hasBegun: run.grid.world.decide { try !CheckpointStore.steps(in: checkpoints).isEmpty })
    let trainer = try Trainer(
      model.task, training, optimizer: model.optimizer, grid: run.grid, parallel: run.config.parallel,
      exchange: run.config.exchange, folder: checkpoints, samplesFolder: run.folder.samples, seed: UInt64(run.config.seed),
      state: TrainingState(run.config, ranks: run.grid.world.size, inputs: inputs), monitor: run.monitor,
      stop: run.stop)
    try trainer.run()
    try run.grid.world.onCoordinator {
      try VersionedJSON.write(model.shape, to: shape(run.folder), version: ModelBundle.formatVersion)
      try run.log.reporting("writes \(weights(run.folder))", stage: name) {
        try CheckpointStore.exportWeights(
          in: checkpoints, step: trainer.modelStep, averaged: training.ema.every > 0, to: weights(run.folder), metadata: inputs,
          where: model.exports)
      }
      try run.log.message("wrote \(weights(run.folder))", stage: name)
    }
  }
}
