import Errors
import Images
import Kernels
import Layers
import Models
import Tokenizer
import Tokens

/// Generates images from prompts: encodes the prompt, samples image tokens one after the other, decodes them with the dVAE.
package struct ImageGenerator {
  package let tokenizer: Tokenizer
  package let config: TransformerConfig
  private let dvae: DVAE
  private let dvaeWeights: any ParameterStore
  private let weights: PackedWeights

  /// - Parameters:
  ///   - dvae: for inference or training, any batch; its codes are the transformer's image tokens.
  ///   - weights: the transformer's.
  package init(
    tokenizer: Tokenizer, dvae: DVAE, dvaeWeights: any ParameterStore, transformer: TransformerConfig,
    weights: PackedWeights
  ) {
    precondition(dvae.config.grid == transformer.grid && dvae.config.vocabulary == transformer.imageVocabulary)
    self.tokenizer = tokenizer
    self.dvae = dvae
    self.dvaeWeights = dvaeWeights
    config = transformer
    self.weights = weights
  }

  /// - Throws: `DalleError` for a prompt that is longer than the model's text context.
  package func check(_ prompts: [String]) throws {
    for prompt in prompts { _ = try encode(prompt, cutting: false) }
  }

  /// `count` images for each prompt.
  ///
  /// - Parameters:
  ///   - cutsPrompts: cuts a prompt that is longer than the model's text context, as captions are cut for training.
  ///   - progress: called after each step with steps done and steps in all; an error ends the work.
  /// - Throws: `DalleError` for a prompt that is longer than the model's text context, unless it is cut.
  package func generate(
    _ prompts: [String], count: Int, seed: UInt64, _ sampling: SamplingConfig, cutsPrompts: Bool = false,
    progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> [[Image]] {
    let requests = try prompts.flatMap { prompt in
      let tokens = try encode(prompt, cutting: cutsPrompts)
      return (0..<count).map { GenerationRequest(prompt: tokens, number: $0, seed: seed, sampling: sampling) }
    }
    let tokens = try sample(requests, progress: progress)
    return try prompts.indices.map { prompt in
      try dvae.decode(Array(tokens[prompt * count..<(prompt + 1) * count].map(\.tokens).joined()), dvaeWeights)
    }
  }

  /// The image tokens of requests, as many side by side as a session takes.
  package func sample(
    _ requests: [GenerationRequest], progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> [GeneratedTokens] {
    var sessions: [[GenerationRequest]] = []
    var rows = SamplingSession.maximumRows
    for request in requests {
      if rows + request.rowCount > SamplingSession.maximumRows {
        sessions.append([])
        rows = 0
      }
      sessions[sessions.count - 1].append(request)
      rows += request.rowCount
    }
    var results: [GeneratedTokens] = []
    for (index, requests) in sessions.enumerated() {
      let session = try SamplingSession(requests, config, weights: weights)
      while !session.isFinished {
        try session.advance()
        try progress(index * config.imageLength + session.position, sessions.count * config.imageLength)
      }
      results += requests.indices.map(session.result)
    }
    return results
  }

  /// The tokens of a prompt.
  private func encode(_ prompt: String, cutting: Bool) throws -> [Token] {
    let tokens = tokenizer.encode(prompt)
    guard cutting || tokens.count <= config.textLength else {
      throw DalleError(
        .data,
        "the prompt \"\(prompt.prefix(60))\(prompt.count > 60 ? "…" : "")\" has \(tokens.count) tokens; "
          + "the model's text context is \(config.textLength) tokens, to which training truncates captions: shorten the prompt")
    }
    return Array(tokens.prefix(config.textLength))
  }
}
