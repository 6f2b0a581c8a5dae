import Datasets
import Tokenizer

/// Tokens of the training captions, each counted once.
package struct CaptionTokens {
  package private(set) var captions = 0
  package private(set) var tokens = 0
  /// Captions that a text context truncates.
  package private(set) var truncated = 0
  private let textLength: Int

  package var mean: Double { Double(tokens) / Double(max(1, captions)) }

  /// Counts.
  ///
  /// - Parameter samples: at most so many, spread evenly over all.
  package init(
    _ data: any CaptionedImages, _ tokenizer: Tokenizer, textLength: Int, samples: Int = .max
  ) throws {
    self.textLength = textLength
    try data.forEachTrainingCaption(samples: samples) { caption in
      let count = tokenizer.encode(caption).count
      captions += 1
      tokens += count
      if count > textLength { truncated += 1 }
    }
  }

  /// Samples from which the tokens of another split are estimated.
  private static let estimateSamples = 20_000

  /// Captions that will be truncated, as a line for the log, with what the other way to split them would give where that is
  /// clearly better; nil if none are.
  package func warning(_ data: any CaptionedImages, split: PreTokenizer, vocabulary: Int) throws -> String? {
    if truncated == 0 { return nil }
    var line =
      "\(truncated.formatted()) of \(captions.formatted()) captions are longer than `transformer.model.textLength` \(textLength) "
      + "(on average \(Int(mean.rounded())) tokens per caption) and are truncated in training; as prompts they are refused"
    if split != .gpt2 {
      var trainer = BPETrainer(split: .gpt2)
      try data.forEachTrainingCaption(samples: Self.estimateSamples) { trainer.add($0) }
      let other = try CaptionTokens(
        data, trainer.train(vocabulary: vocabulary), textLength: textLength, samples: Self.estimateSamples)
      if other.mean < 0.8 * mean {
        line += "; `tokenizer.split: gpt2` gives about \(Int(other.mean.rounded())) tokens per caption"
      }
    }
    return line
  }
}

extension CaptionedImages {
  fileprivate func forEachTrainingCaption(samples: Int, _ body: (String) throws -> Void) throws {
    let count = count(.training)
    for number in 0..<min(samples, count) {
      let index = samples < count ? number * count / samples : number
      for caption in try captions(index, .training) { try body(caption) }
    }
  }
}
