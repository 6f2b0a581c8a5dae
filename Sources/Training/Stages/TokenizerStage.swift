import Datasets
import Monitoring
import Preparation
import Tokenizer

/// Trains the tokenizer on the training captions, on the coordinator.
struct TokenizerStage: Stage {
  let name = "tokenizer"
  let config: TokenizerConfig
  /// The transformer's text context, in tokens; 0 for automatic.
  let textLength: Int
  let dataInput: StageInput
  let data: any CaptionedImages

  func inputs(in folder: RunFolder) -> [StageInput] { [dataInput] }

  func product(in folder: RunFolder) -> StageProduct { StageProduct(files: [folder.tokenizer], identity: [folder.tokenizer]) }

  func checkGiven(in folder: RunFolder) throws { _ = try Tokenizer(contentsOf: folder.tokenizer) }

  func run(in run: Run, inputs: [String: String]) throws {
    let count = data.count(.training)
    try run.log.message("training up to \(config.vocabulary) tokens on the captions of \(count) samples", stage: name)
    try run.grid.world.onCoordinator {
      var trainer = BPETrainer(split: config.split)
      var progress = ProgressMeter.lines()
      for index in 0..<count {
        for caption in try data.captions(index, .training) { trainer.add(caption) }
        if let line = progress.line(index, of: count) { try run.log.message("reading captions: \(line)", stage: name) }
      }
      let tokenizer = run.log.reporting("merging tokens", stage: name) { trainer.train(vocabulary: config.vocabulary) }
      try tokenizer.write(to: run.folder.tokenizer)
      try run.log.message("wrote \(run.folder.tokenizer) with \(tokenizer.vocabularyCount) tokens", stage: name)
      let lengths = try CaptionTokens(data, tokenizer, textLength: textLength)
      if let line = try lengths.warning(data, split: config.split, vocabulary: config.vocabulary) {
        try run.log.warning(line, stage: name)
      }
    }
  }
}
