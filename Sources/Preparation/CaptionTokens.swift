import Datasets
import MPI
import Monitoring
import Tokenizer

/// Tokens of the training captions, each counted once, and the text context that they need.
package struct CaptionTokens {
  /// Most tokens of a text context that is not set: the published one (paper section 2.2).
  package static let automaticLimit = 256

  package private(set) var captions = 0
  package private(set) var tokens = 0
  /// Tokens of the longest.
  package private(set) var longest = 0
  /// Captions that the text context truncates.
  package private(set) var truncated = 0
  /// 0 for automatic.
  private let setting: Int
  private var limit: Int { setting == 0 ? Self.automaticLimit : setting }

  package var mean: Double { Double(tokens) / Double(max(1, captions)) }

  /// The text context. An automatic one fits every caption: a quarter longer than the longest, for prompts and for what BPE dropout
  /// adds, and a multiple of 16; positions that no caption reaches would be computed in vain.
  package var textLength: Int { setting == 0 ? min(limit, (max(1, longest + longest / 4) + 15) & ~15) : setting }

  /// Counts.
  ///
  /// - Parameters:
  ///   - textLength: of the text context, in tokens; 0 for automatic.
  ///   - samples: at most so many, spread evenly over all.
  package init(
    _ data: any CaptionedImages, _ tokenizer: Tokenizer, textLength: Int, samples: Int = .max
  ) throws {
    setting = textLength
    try data.forEachTrainingCaption(samples: samples) { caption in
      let count = tokenizer.encode(caption).count
      captions += 1
      tokens += count
      longest = max(longest, count)
      if count > limit { truncated += 1 }
    }
  }

  /// Samples from which the tokens of another split are estimated.
  private static let estimateSamples = 20_000

  /// Captions that will be truncated, as a line for the log, with what the other way to split them would give where that is
  /// clearly better; nil if none are.
  package func warning(_ data: any CaptionedImages, split: PreTokenizer, vocabulary: Int) throws -> String? {
    if truncated == 0 { return nil }
    let limit =
      setting == 0
      ? "\(limit) tokens, the most that an automatic `transformer.model.textLength` takes: set it to take more "
      : "`transformer.model.textLength` \(limit) "
    var line =
      "\(truncated.formatted()) of \(captions.formatted()) captions are longer than \(limit)"
      + "(on average \(Int(mean.rounded())) tokens per caption) and are truncated in training; as prompts they are refused"
    if split != .gpt2 {
      var trainer = BPETrainer(split: .gpt2)
      try data.forEachTrainingCaption(samples: Self.estimateSamples) { trainer.add($0) }
      let other = try CaptionTokens(
        data, trainer.train(vocabulary: vocabulary), textLength: setting, samples: Self.estimateSamples)
      if other.mean < 0.8 * mean {
        line += "; `tokenizer.split: gpt2` gives about \(Int(other.mean.rounded())) tokens per caption"
      }
    }
    return line
  }

  /// The text context for shards of a dataset: what is set, or, where that is 0, what its captions need. Collective.
  ///
  /// - Parameter log: gets a line, also from other threads.
  package static func textLength(
    _ setting: Int, _ data: any CaptionedImages, _ tokenizer: Tokenizer, in world: Communicator,
    log: @escaping (String) throws -> Void
  ) throws -> Int {
    if setting != 0 { return setting }
    return try world.decide {
      let tokens = try reporting("counting the tokens of captions", to: { try? log($0) }) {
        try CaptionTokens(data, tokenizer, textLength: 0)
      }
      try log("a text context of \(tokens.textLength) tokens: the longest caption has \(tokens.longest)")
      return tokens.textLength
    }
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
