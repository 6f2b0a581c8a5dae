import Memory

#if canImport(Glibc)
import Glibc
#endif

/// How image tokens are drawn from the model's probabilities.
public struct SamplingConfig: Codable, Sendable, Equatable {
  /// Divides the logits: below 1 the likely becomes likelier; 0 always takes the likeliest token.
  public var temperature = 1.0
  /// Keep the k likeliest tokens; 0 keeps all.
  public var topK = 0
  /// Keep the likeliest tokens that together have this probability; 1 keeps all.
  public var topP = 1.0
  /// Classifier-free guidance: how far to go from the logits without caption towards, and past, those with it; 1 is none.
  public var guidance = 1.0

  public init() {}
}

/// Draws one token. `uniform` lies in [0, 1).
func chooseToken(_ logits: Vector, _ config: SamplingConfig, uniform: Double) -> Int {
  let best = (0..<logits.count).max { logits[$0] < logits[$1] }!
  if config.temperature == 0 { return best }
  let highest = Double(logits[best])
  var candidates = (0..<logits.count).map { token in
    (token: token, weight: exp((Double(logits[token]) - highest) / config.temperature))
  }
  if config.topK > 0 || config.topP < 1 {
    candidates.sort { ($0.weight, $1.token) > ($1.weight, $0.token) }
    if config.topK > 0 { candidates.removeLast(max(0, candidates.count - config.topK)) }
    // The likeliest tokens whose probabilities reach topP together; at least one.
    let enough = config.topP * candidates.reduce(0) { $0 + $1.weight }
    var sum = 0.0
    let last = candidates.firstIndex {
      sum += $0.weight
      return sum >= enough
    }
    candidates.removeLast(candidates.count - 1 - (last ?? candidates.count - 1))
  }
  var left = uniform * candidates.reduce(0) { $0 + $1.weight }
  for (token, weight) in candidates {
    left -= weight
    if left < 0 { return token }
  }
  return candidates.last!.token
}
