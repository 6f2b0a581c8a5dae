import Foundation
import Kernels
import Memory

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

/// Draws tokens, in room that is laid out once.
public struct TokenChoice {
  private let config: SamplingConfig
  private let weights: Buffer<Float>
  /// Tokens with the largest weight on top: a heap whose parent of `i` is `(i - 1) / 2`.
  private var heap: [Int32] = []

  public init(_ config: SamplingConfig, vocabulary: Int) {
    self.config = config
    weights = Buffer(count: vocabulary)
  }

  /// The token that `uniform`, a random number in [0, 1), stands for.
  public mutating func choose(_ logits: Vector, uniform: Double) -> Int {
    if config.temperature == 0 { return indexOfLargest(logits) }
    let sum = Double(softmaxWeights(logits, inverseTemperature: Float(1 / config.temperature), into: weights.vector))
    if config.topK > 0 || config.topP < 1 {
      let kept = keepLikeliest(of: logits.count, sum: sum)
      return pick(heap[kept.first...].reversed(), uniform * kept.sum)
    }
    return pick(0..<Int32(logits.count), uniform * sum)
  }

  /// Natural logarithm of a token's probability at temperature 1, with all tokens to choose among.
  public func logProbability(of token: Int, _ logits: Vector) -> Double {
    let sum = Double(softmaxWeights(logits, inverseTemperature: 1, into: weights.vector))
    return Double(logits[token] - logits[indexOfLargest(logits)]) - log(sum)
  }

  private func pick(_ tokens: some Sequence<Int32>, _ goal: Double) -> Int {
    var left = goal
    var last = 0
    for token in tokens {
      let weight = Double(weights[Int(token)])
      if weight == 0 { continue }
      last = Int(token)
      left -= weight
      if left < 0 { break }
    }
    return last
  }

  /// Takes the k likeliest tokens, or those that reach topP together, from a heap of all. They stay behind it, from `first` on, the
  /// likeliest last; `sum` is that of their weights. With both, topP is a share of the k.
  private mutating func keepLikeliest(of count: Int, sum: Double) -> (first: Int, sum: Double) {
    heap.removeAll(keepingCapacity: true)
    heap.append(contentsOf: 0..<Int32(count))
    for parent in stride(from: count / 2 - 1, through: 0, by: -1) { sink(parent, of: count) }
    func weight(_ place: Int) -> Double { Double(weights[Int(heap[place])]) }
    let most = config.topK > 0 ? min(config.topK, count) : count
    // Without topK the share is of all; with it the k must be known first.
    let enough = config.topK > 0 ? Double.infinity : config.topP * sum
    var (first, kept) = (count, 0.0)
    while count - first < most, kept < enough {
      kept += weight(0)
      take(&first)
    }
    guard config.topK > 0, config.topP < 1 else { return (first, kept) }
    let share = config.topP * kept
    (first, kept) = (count, 0)
    while kept < share {
      first -= 1
      kept += weight(first)
    }
    return (first, kept)
  }

  /// Moves the top behind the heap.
  private mutating func take(_ size: inout Int) {
    size -= 1
    heap.swapAt(0, size)
    sink(0, of: size)
  }

  private mutating func sink(_ start: Int, of size: Int) {
    var parent = start
    while true {
      var best = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < size && goesBefore(heap[child], heap[best]) { best = child }
      if best == parent { return }
      heap.swapAt(parent, best)
      parent = best
    }
  }

  private func goesBefore(_ a: Int32, _ b: Int32) -> Bool {
    let (x, y) = (weights[Int(a)], weights[Int(b)])
    return x != y ? x > y : a < b
  }
}
