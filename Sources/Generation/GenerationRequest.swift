import Errors
import Models
import Tokens

/// One image to generate. Its tokens depend on this alone (and the weights), never on what is generated beside it.
package struct GenerationRequest: Sendable, Equatable {
  /// The prompt's tokens; none is the model's distribution without a caption.
  package var prompt: [Token]
  /// Which image of the prompt: requests that differ in nothing else get unrelated random numbers.
  package var number: Int
  /// Random seed.
  package var seed: UInt64
  package var sampling: SamplingConfig
  /// Image tokens that are given, from the first position on; sampling continues behind them.
  package var prefix: [Token]

  package init(
    prompt: [Token], number: Int = 0, seed: UInt64 = 1, sampling: SamplingConfig = SamplingConfig(), prefix: [Token] = []
  ) {
    (self.prompt, self.number, self.seed, self.sampling, self.prefix) = (prompt, number, seed, sampling, prefix)
  }

  /// Rows of a cached step: with guidance the logits without the prompt are computed, too.
  var rowCount: Int { sampling.guidance == 1 ? 1 : 2 }

  /// Throws `DalleError` unless a model of this shape can take the request.
  package func validate(_ config: TransformerConfig) throws {
    guard prompt.count <= config.textLength else {
      throw DalleError(
        .data, "a prompt has \(prompt.count) tokens; the model's text context is \(config.textLength) tokens: shorten the prompt")
    }
    guard prefix.count <= config.imageLength else {
      throw DalleError(
        .data, "a prefix has \(prefix.count) image tokens; the model's images have \(config.imageLength): give fewer")
    }
    if let token = prompt.first(where: { $0 < 0 || $0 >= config.textVocabulary }) {
      throw DalleError(
        .data,
        "a prompt has the token \(token); the model has text tokens 0 to \(config.textVocabulary - 1): encode with its own tokenizer"
      )
    }
    if let token = prefix.first(where: { $0 >= config.imageVocabulary }) {
      throw DalleError(
        .data, "a prefix has the image token \(token); the model has 0 to \(config.imageVocabulary - 1): encode with its own dVAE")
    }
  }
}

/// The result of a request.
package struct GeneratedTokens: Sendable, Equatable {
  /// Image tokens in raster order: all of them, unless the request was cancelled.
  package var tokens: [Token] = []
  /// Natural logarithm of each token's probability under the model, after guidance, at temperature 1 and before top-k and top-p:
  /// comparable between sampling settings. Given tokens have one, too.
  package var logProbabilities: [Double] = []
  package var isCancelled = false
}
