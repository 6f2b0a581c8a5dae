import Foundation
import HeapModule
import Kernels
import Memory

/// How image tokens are sampled from the model's probabilities.
package struct SamplingConfig: Codable, Sendable, Equatable {
  /// Divides the logits: lower is more deterministic; 0 is greedy (argmax).
  package var temperature = 1.0
  /// Sample among the k most likely tokens; 0 samples among all.
  package var topK = 0
  /// Sample among the most likely tokens that have this probability together; 1 samples among all.
  package var topP = 1.0
  /// Classifier-free guidance: `without + guidance · (with - without)` of the logits with and without the prompt; 1 is none.
  package var guidance = 1.0

  package init() {}
}

/// Samples tokens.
package struct TokenChoice {
  private let config: SamplingConfig
  private let weights: Buffer<Float>

  package init(_ config: SamplingConfig, vocabulary: Int) {
    self.config = config
    weights = Buffer(count: vocabulary)
  }

  /// The token that `uniform`, a random number in [0, 1), selects.
  package func choose(_ logits: Vector, uniform: Double) -> Int {
    if config.temperature == 0 { return indexOfLargest(logits) }
    let sum = Double(softmaxWeights(logits, inverseTemperature: Float(1 / config.temperature), into: weights.vector))
    if config.topK > 0 || config.topP < 1 {
      let likeliest = likeliest(of: logits.count, sum: sum)
      return pick(likeliest.tokens, uniform * likeliest.sum)
    }
    return pick(0..<logits.count, uniform * sum)
  }

  /// Natural logarithm of a token's probability at temperature 1, with all tokens to choose among.
  package func logProbability(of token: Int, _ logits: Vector) -> Double {
    let sum = Double(softmaxWeights(logits, inverseTemperature: 1, into: weights.vector))
    return Double(logits[token] - logits[indexOfLargest(logits)]) - log(sum)
  }

  private func pick(_ tokens: some Sequence<Int>, _ goal: Double) -> Int {
    var left = goal
    var last = 0
    for token in tokens {
      let weight = Double(weights[token])
      if weight == 0 { continue }
      last = token
      left -= weight
      if left < 0 { break }
    }
    return last
  }

  /// The k most likely tokens, or those that reach topP together, most likely first, and the sum of their weights. With both, topP is a
  /// share of the k.
  private func likeliest(of count: Int, sum: Double) -> (tokens: [Int], sum: Double) {
    var candidates = Heap((0..<count).lazy.map { Candidate(weight: weights[$0], token: $0) })
    let most = config.topK > 0 ? min(config.topK, count) : count
    // Without topK the share is of all; with it the k must be known first.
    let enough = config.topK > 0 ? Double.infinity : config.topP * sum
    var tokens: [Int] = []
    var total = 0.0
    while tokens.count < most, total < enough {
      let candidate = candidates.removeMax()
      tokens.append(candidate.token)
      total += Double(candidate.weight)
    }
    guard config.topK > 0, config.topP < 1 else { return (tokens, total) }
    let share = config.topP * total
    var taken = 0
    total = 0
    while total < share {
      total += Double(weights[tokens[taken]])
      taken += 1
    }
    return (Array(tokens.prefix(taken)), total)
  }

  /// The more likely token is greater; of two that are equally likely, the one with the smaller number.
  private struct Candidate: Comparable {
    let weight: Float
    let token: Int

    static func < (a: Candidate, b: Candidate) -> Bool {
      a.weight != b.weight ? a.weight < b.weight : a.token > b.token
    }
  }
}
