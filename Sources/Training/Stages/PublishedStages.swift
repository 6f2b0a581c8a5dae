import Datasets
import Errors
import Files
import Foundation
import Generation
import Images
import Layers
import Models
import Optimization
import Preparation
import Shards
import Tokenizer

/// The stages of the published system, from captioned images to a transformer; and a sharper decoder, and a CLIP that judges images.
package enum PublishedStages {
  /// Their names, in order.
  package static let names = ["tokenizer", "dvae", "decoder", "encode", "transformer", "clip"]

  /// Opens the run's data, and makes the stages that its configuration describes. Collective.
  package static func stages(of run: Run) throws -> [any Stage] {
    let config = run.config
    let data = try run.openData()
    let dataInput = StageInput.value("data", try run.grid.world.decide { try data.identity() })
    return [
      TokenizerStage(
        config: config.tokenizer, textLength: config.transformer.model.textLength, dataInput: dataInput, data: data),
      dvae(config, dataInput, data),
    ] + (config.decoder.enabled ? [decoder(config, run.folder, dataInput, data)] : []) + [
      EncodeStage(config: config, dataInput: dataInput, data: data),
      transformer(config, run.folder, data),
    ] + (config.clip.enabled ? [clip(config, run.folder, dataInput, data)] : [])
  }

  private static func decoder(
    _ config: RunConfig, _ folder: RunFolder, _ dataInput: StageInput, _ data: any CaptionedImages
  ) -> TrainingStage<DecoderTask> {
    TrainingStage("decoder", config.decoder.training, inputs: [dataInput, .dvae(folder)]) { run, _ in
      let (precision, skipped) = (run.precision, run.skipped)
      let frozen = try ModelBundle.weights(DVAEArchitecture(config.dvaeConfig).table, run.folder.dvaeWeights, precision)
      let task = try DecoderTask(config, precision: precision, data: data, frozen: frozen) { skipped.add($0) }
      return .init(
        task: task, shape: config.decoderConfig, optimizer: AdamW(config.decoder.training.adamw),
        exports: AdversarialDecoder.isOfDecoder)
    }
  }

  private static func clip(
    _ config: RunConfig, _ folder: RunFolder, _ dataInput: StageInput, _ data: any CaptionedImages
  ) -> TrainingStage<CLIPTask> {
    TrainingStage("clip", config.clip.training, inputs: [dataInput, .tokenizer(folder)]) { run, _ in
      let (tokenizer, skipped) = (try Tokenizer(contentsOf: run.folder.tokenizer), run.skipped)
      let task = try CLIPTask(config, precision: run.precision, data: data, tokenizer: tokenizer) { skipped.add($0) }
      return .init(
        task: task, shape: config.clipConfig(textVocabulary: tokenizer.vocabularyCount),
        optimizer: AdamW(config.clip.training.adamw))
    }
  }

  private static func dvae(_ config: RunConfig, _ dataInput: StageInput, _ data: any CaptionedImages) -> TrainingStage<DVAETask> {
    func checkShape(_ path: String) throws {
      var given = try VersionedJSON.read(
        DVAEConfig.self, from: path, version: ModelBundle.formatVersion, defaults: DVAEConfig())
      // Recomputation changes memory, not numbers.
      given.recompute = config.dvaeConfig.recompute
      guard given == config.dvaeConfig else {
        throw DalleError(
          .configuration,
          "\(path): this dVAE has another shape than `dvae.model` and `data.imageSize` describe; change these, or "
            + "remove the dVAE")
      }
    }
    return TrainingStage("dvae", config.dvae.training, inputs: [dataInput], checkShape: checkShape) { run, _ in
      let skipped = run.skipped
      let task = try DVAETask(config, precision: run.precision, data: data) { skipped.add($0) }
      return .init(task: task, shape: config.dvaeConfig, optimizer: AdamW(config.dvae.training.adamw))
    }
  }

  private static func transformer(
    _ config: RunConfig, _ folder: RunFolder, _ data: any CaptionedImages
  ) -> TrainingStage<TransformerTask> {
    let shards = ShardEncoder.Files(folder.shards, data: data, shardSamples: config.data.shardSamples)
    let inputs: [StageInput] = [.tokenizer(folder), .dvae(folder), .files("shards", [shards.origin, shards.skips])]
    return TrainingStage("transformer", config.transformer.training, inputs: inputs) { run, inputs in
      let (folder, precision) = (run.folder, run.precision)
      let tokenizer = try Tokenizer(contentsOf: folder.tokenizer)
      let training = try ShardSet(folder.shards, Split.training.rawValue)
      // An automatic text context is that of the shards.
      let setting = config.transformer.model.textLength
      let textLength = setting == 0 ? training.header.textLength : setting
      let shape = config.transformerConfig(textVocabulary: tokenizer.vocabularyCount, textLength: textLength)
      let header = ShardHeader(config, tokenizer, textLength: textLength, inputs: inputs)
      try training.check(header)
      let validation =
        data.count(.validation) == 0
        ? nil : try ShardSet(folder.shards, Split.validation.rawValue, expected: header, mayBeEmpty: true)
      try run.requireEqual(training.samples, of: folder.shards)
      // The coordinator makes samples.
      let prompts = run.grid.isCoordinator && config.transformer.training.sampleEvery > 0 ? try data.prompts(SampleSheet.count) : []
      var decoder: (dvae: DVAE, weights: LocalParameters)?
      if !prompts.isEmpty {
        let dvae = try DVAE(config.dvaeConfig, batch: SampleSheet.count, mode: .inference, precision: precision)
        decoder = (dvae, try ModelBundle.dvae(in: folder.model, precision).weights)
      }
      let (clock, stop) = (run.monitor.clock, run.stop)
      let task = try TransformerTask(
        config, Transformer(shape, batch: config.transformer.training.microBatch, precision: precision), training: training,
        validation: validation, tokenizer: tokenizer
      ) { [decoder] weights in
        guard let decoder else { return nil }
        let generator = ImageGenerator(
          tokenizer: tokenizer, dvae: decoder.dvae, dvaeWeights: decoder.weights, transformer: shape,
          weights: try PackedWeights(weights, precision))
        let images = try generator.generate(
          prompts, count: 1, seed: UInt64(config.seed), config.sampling, cutsPrompts: true
        ) { _, _ in
          clock.tick()
          try stop.check()
        }
        return try ImageGrid.compose(zip(prompts, images).map { ImageGrid.Row(caption: $0, images: $1) }, columns: 8)
      }
      return .init(task: task, shape: shape, optimizer: AdamW(config.transformer.training.adamw))
    }
  }
}
