import Images
import Kernels
import Layers
import Memory
import Models
import Random
import Tokenizer

/// A prompt that a model cannot take.
public struct PromptError: Error, CustomStringConvertible, Equatable {
  public let description: String
}

/// Draws pictures from prompts: text tokens, image tokens one after the other, the dVAE's decoder.
public struct ImageGenerator {
  public let tokenizer: Tokenizer
  public let config: TransformerConfig
  private let dvae: DVAE
  private let dvaeWeights: any ParameterStore
  private let weights: any ParameterStore
  private let precision: Precision
  /// Rows that are drawn side by side: more use the weights better, until their caches fill the memory.
  public static let mostRows = 64

  /// - Parameters:
  ///   - dvae: for inference or training, any batch; its codes are the transformer's image tokens.
  ///   - weights: the transformer's, kept in `precision`.
  public init(
    tokenizer: Tokenizer, dvae: DVAE, dvaeWeights: any ParameterStore, transformer: TransformerConfig,
    weights: any ParameterStore, precision: Precision
  ) {
    precondition(dvae.config.grid == transformer.grid && dvae.config.vocabulary == transformer.imageVocabulary)
    self.tokenizer = tokenizer
    self.dvae = dvae
    self.dvaeWeights = dvaeWeights
    config = transformer
    self.weights = weights
    self.precision = precision
  }

  /// `count` pictures for each prompt. The seed, the prompt and the picture's number decide its random numbers.
  ///
  /// - Parameter progress: called after each step with steps done and steps in all.
  public func draw(
    _ prompts: [String], count: Int, seed: UInt64, _ sampling: SamplingConfig,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> [[Image]] {
    let captions = try prompts.map(encode)
    let variants = sampling.guidance == 1 ? 1 : 2
    // Whole prompts side by side, or parts of one prompt's pictures.
    let perCaption = max(1, min(count, Self.mostRows / variants))
    let together = max(1, Self.mostRows / (variants * perCaption))
    var rounds: [(captions: Range<Int>, pictures: Range<Int>)] = []
    for first in stride(from: 0, to: prompts.count, by: together) {
      for picture in stride(from: 0, to: count, by: perCaption) {
        rounds.append((first..<min(first + together, prompts.count), picture..<min(picture + perCaption, count)))
      }
    }
    var pictures = [[Image]](repeating: [], count: prompts.count)
    let total = rounds.count * config.imageLength
    for (round, part) in rounds.enumerated() {
      let step = { position in progress(round * config.imageLength + position + 1, total) }
      let codes =
        switch precision {
        case .fp32: try drawCodes(Float.self, Array(captions[part.captions]), part.pictures, seed: seed, sampling, step)
        case .bf16: try drawCodes(BFloat16.self, Array(captions[part.captions]), part.pictures, seed: seed, sampling, step)
        }
      for (index, caption) in part.captions.enumerated() {
        let mine = codes[index * part.pictures.count..<(index + 1) * part.pictures.count]
        pictures[caption] += try dvae.decode(Array(mine.joined()), dvaeWeights)
      }
    }
    return pictures
  }

  private func encode(_ prompt: String) throws -> [Int32] {
    let tokens = tokenizer.encode(prompt)
    guard tokens.count <= config.textLength else {
      throw PromptError(
        description: "the prompt \"\(prompt.prefix(60))\(prompt.count > 60 ? "…" : "")\" has \(tokens.count) tokens; "
          + "the model's text context is \(config.textLength) tokens; shorten the prompt")
    }
    return tokens.map(Int32.init)
  }

  /// Image tokens, `[captions · pictures][grid²]`.
  private func drawCodes<Element: Scalar>(
    _: Element.Type, _ captions: [[Int32]], _ pictures: Range<Int>, seed: UInt64, _ sampling: SamplingConfig,
    _ progress: (Int) -> Void
  ) throws -> [[UInt16]] {
    let guided = sampling.guidance != 1
    let rows = captions.count * pictures.count
    // With guidance every row is drawn twice: with its caption, and below with none.
    let model = try CachedTransformer<Element>(
      config, captions: guided ? captions + captions.map { _ in [] } : captions, rowsPerCaption: pictures.count,
      source: weights)
    var codes = [[UInt16]](repeating: [], count: rows)
    var random = (0..<rows).map { row in
      RandomStream(
        seed: seed, Self.hash(captions[row / pictures.count]), UInt64(pictures.lowerBound + row % pictures.count))
    }
    var choice = TokenChoice(sampling, vocabulary: config.imageVocabulary)
    var previous: [Int32] = []
    for position in 0..<config.imageLength {
      let logits = try model.step(position, previous: guided ? previous + previous : previous)
      previous = (0..<rows).map { row in
        let with = logits.row(row)
        if guided {
          let without = logits.row(rows + row)
          for token in 0..<with.count {
            with[token] = without[token] + Float(sampling.guidance) * (with[token] - without[token])
          }
        }
        return Int32(choice.choose(with, uniform: Double(random[row].next() >> 11) * 0x1p-53))
      }
      for row in 0..<rows { codes[row].append(UInt16(previous[row])) }
      progress(position)
    }
    return codes
  }

  /// FNV-1a over the tokens: prompts get unrelated random numbers.
  private static func hash(_ tokens: [Int32]) -> UInt64 {
    tokens.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
