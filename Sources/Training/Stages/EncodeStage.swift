import Datasets
import Generation
import Models
import Preparation
import Shards
import Tokenizer

/// Encodes captioned images as token shards, with all ranks.
struct EncodeStage: Stage {
  let name = "encode"
  let config: RunConfig
  let dataInput: StageInput
  let data: any CaptionedImages

  func inputs(in folder: RunFolder) -> [StageInput] { [dataInput, .tokenizer(folder), .dvae(folder)] }

  /// Identified by what the shards were encoded from; each shard has checksums of its own.
  func product(in folder: RunFolder) -> StageProduct {
    let files = ShardEncoder.Files(folder.shards, data: data, shardSamples: config.data.shardSamples)
    return StageProduct(
      files: [files.origin] + files.shards + [files.skips], identity: [files.origin, files.skips], folders: [folder.shards])
  }

  func run(in run: Run, inputs: [String: String]) throws {
    let tokenizer = try Tokenizer(contentsOf: run.folder.tokenizer)
    let dvae = try DVAE(config.dvaeConfig, batch: 32, mode: .inference, precision: run.precision)
    let log = { try run.log.message($0, stage: name) }
    let textLength = try CaptionTokens.textLength(
      config.transformer.model.textLength, data, tokenizer, in: run.grid.world, log: log)
    let encoder = ShardEncoder(
      data, tokenizer: tokenizer, dvae: dvae,
      weights: try ModelBundle.weights(dvae.table, run.folder.dvaeWeights, run.precision),
      header: ShardHeader(config, tokenizer, textLength: textLength, inputs: inputs), shardSamples: config.data.shardSamples,
      seed: UInt64(config.seed), folder: run.folder.shards)
    try encoder.encode(in: run.grid.world, stop: run.stop, log: log)
  }
}

extension StageInput {
  static func tokenizer(_ folder: RunFolder) -> StageInput { .files("tokenizer", [folder.tokenizer]) }
  static func dvae(_ folder: RunFolder) -> StageInput { .files("dVAE", [folder.dvaeWeights]) }
}

extension ShardHeader {
  /// The header that this run's shards must have.
  ///
  /// - Parameters:
  ///   - textLength: tokens of the text context.
  ///   - inputs: SHA-256 of the tokenizer and the dVAE.
  init(_ config: RunConfig, _ tokenizer: Tokenizer, textLength: Int, inputs: [String: String]) {
    let dvae = config.dvaeConfig
    self.init(
      textLength: textLength, grid: dvae.grid, textVocabulary: tokenizer.vocabularyCount,
      imageVocabulary: dvae.vocabulary, frameSamples: config.data.frameSamples, tokenizer: inputs["tokenizer"]!,
      dvae: inputs["dVAE"]!)
  }
}
