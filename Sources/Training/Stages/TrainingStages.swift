import Checkpoint
import Datasets
import Files
import Foundation
import Generation
import Hashing
import Images
import Layers
import Models
import Optimization
import Preparation
import Safetensors
import Shards
import Tokenizer

extension Run {
  /// Trains the dVAE and puts its averaged weights into the model folder.
  func trainDVAE() throws -> Bool {
    try train(
      .dvae, config.dvae.training, weights: ModelBundle.File.dvaeWeights, shape: (ModelBundle.File.dvae, config.dvaeConfig)
    ) {
      let skipped = skipped
      return (try DVAETask(config, precision: precision, source: source) { skipped.add($0) }, [:])
    }
  }

  /// Trains the transformer and puts its averaged weights into the model folder.
  func trainTransformer() throws -> Bool {
    try require(folder.tokenizer, from: .tokenizer)
    try require(folder.dvaeWeights, from: .dvae)
    let tokenizer = try Tokenizer(contentsOf: folder.tokenizer)
    let shape = config.transformerConfig(textVocabulary: tokenizer.vocabularyCount)
    return try train(
      .transformer, config.transformer.training, weights: ModelBundle.File.transformerWeights,
      shape: (ModelBundle.File.transformer, shape)
    ) {
      let expected = try shardHeader(tokenizer)
      let dvae = try DVAE(config.dvaeConfig, batch: 16, mode: .inference, precision: precision)
      let dvaeWeights = try ModelBundle.weights(dvae.table, folder.dvaeWeights, precision)
      let prompts = try source.prompts(16)
      let (config, precision) = (config, precision)
      let task = try TransformerTask(
        config, Transformer(shape, batch: config.transformer.training.microBatch, precision: precision),
        training: ShardSet(folder.shards, Split.training.rawValue, expected: expected),
        validation: ShardSet(folder.shards, Split.validation.rawValue, expected: expected), tokenizer: tokenizer
      ) { weights in
        let generator = ImageGenerator(
          tokenizer: tokenizer, dvae: dvae, dvaeWeights: dvaeWeights, transformer: shape, weights: weights,
          precision: precision)
        let pictures = try generator.draw(prompts, count: 1, seed: UInt64(config.seed), config.sampling)
        return try ImageGrid.draw(Array(zip(prompts, pictures)).map { (caption: $0, pictures: $1) }, columns: 8)
      }
      return (task, ["tokenizer": expected.tokenizer, "dVAE": expected.dvae])
    }
  }

  /// Trains one model to its last step, unless that is done, and exports its averaged weights.
  ///
  /// - Parameters:
  ///   - weights, shape: what the model folder gets.
  ///   - make: the task, and hashes of the files that it depends on.
  private func train<Task: TrainingTask>(
    _ stage: Stage, _ training: TrainingConfig, weights: String, shape: (file: String, config: some Encodable),
    _ make: () throws -> (Task, inputs: [String: String])
  ) throws -> Bool {
    let exported = "\(folder.model)/\(weights)"
    let checkpoints = folder.checkpoints(stage)
    let newest = try CheckpointStore.steps(in: checkpoints).last
    if let newest, newest >= training.steps, try exportedStep(exported) == newest {
      say(stage, "finished (\(newest) steps)")
      return true
    }
    // Every rank has looked before one changes anything.
    try grid.world.barrier()
    let (task, inputs) = try make()
    say(
      stage,
      "\(task.table.parameterCount.formatted()) parameters, \(training.steps) steps of \(training.batch) samples, "
        + "in micro-batches of at most \(training.microBatch) on each rank")
    let trainer = try Trainer(
      task, training, optimizer: AdamW(training.adamw), grid: grid, gradientBlocks: config.parallel.gradientBlocks,
      folder: checkpoints, samplesFolder: folder.samples,
      seed: UInt64(config.seed), state: TrainingState(config, ranks: grid.world.size, inputs: inputs), log: log, stop: stop)
    let finished = try trainer.run()
    if !finished { return false }
    if grid.isCoordinator, let ema = try CheckpointStore.newestEMA(in: checkpoints) {
      try VersionedJSON.write(shape.config, to: "\(folder.model)/\(shape.file)", version: ModelBundle.formatVersion)
      try copyFile(ema, to: exported)
      say(stage, "wrote \(exported)")
    }
    return true
  }

  /// The step of exported weights; nil if there are none.
  private func exportedStep(_ path: String) throws -> Int? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try SafetensorsReader(path).metadata["step"].flatMap { Int($0) }
  }

  /// What this run's shards must say of themselves.
  func shardHeader(_ tokenizer: Tokenizer) throws -> ShardHeader {
    try ShardHeader(
      modelFolder: folder.model, tokenizer: tokenizer, dvae: config.dvaeConfig, textLength: config.transformer.model.textLength,
      frameSamples: config.data.frameSamples)
  }
}
