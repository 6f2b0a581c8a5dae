import Errors
import Kernels
import Layers
import Memory
import Models
import Random
import Tokens

/// Samples the image tokens of many requests together, one position per step. Requests with equal prompts share the prompt's part of
/// the KV cache.
package final class SamplingSession {
  /// Largest number of rows: enough to use the weights well; with more, KV caches fill the memory. With guidance a request takes two.
  package static let maximumRows = 64

  private let config: TransformerConfig
  private let requests: [GenerationRequest]
  private var results: [GeneratedTokens]
  private var random: [RandomStream]
  private let choices: [TokenChoice]
  private let plan: RowPlan
  private let step: (_ position: Int, _ previous: [Token]) throws -> Matrix
  /// Positions that are sampled.
  package private(set) var position = 0

  /// Computes the prompts.
  ///
  /// - Parameters:
  ///   - weights: the transformer's.
  /// - Throws: `DalleError` for a request that the model cannot take, for none, and for more rows than `maximumRows`.
  package init(
    _ requests: [GenerationRequest], _ config: TransformerConfig, weights: PackedWeights
  ) throws {
    guard !requests.isEmpty else { throw DalleError(.data, "no requests to sample: give at least one") }
    for request in requests { try request.validate(config) }
    plan = RowPlan(requests)
    guard plan.rowCount <= Self.maximumRows else {
      throw DalleError(
        .data, "requests take \(plan.rowCount) rows; a session takes at most \(Self.maximumRows): sample fewer together")
    }
    (self.config, self.requests) = (config, requests)
    results = requests.map { _ in GeneratedTokens() }
    random = requests.map { request in
      // Prompts get unrelated random numbers.
      RandomStream(seed: request.seed, fnv1a(request.prompt.lazy.map(UInt32.init)), UInt64(truncatingIfNeeded: request.number))
    }
    choices = requests.map { TokenChoice($0.sampling, vocabulary: config.imageVocabulary) }
    switch weights.precision {
    case .fp32:
      let model = try CachedTransformer<Float>(config, captions: plan.captions, images: plan.images, weights: weights)
      step = { try model.step($0, previous: $1) }
    case .bf16:
      let model = try CachedTransformer<BFloat16>(config, captions: plan.captions, images: plan.images, weights: weights)
      step = { try model.step($0, previous: $1) }
    }
  }

  /// Bytes that a session of these requests takes beside the weights: mostly KV caches.
  package static func byteCount(_ requests: [GenerationRequest], _ config: TransformerConfig, _ precision: Precision) -> Int {
    let images = RowPlan(requests).images
    return switch precision {
    case .fp32: CachedTransformer<Float>.byteCount(config, images: images)
    case .bf16: CachedTransformer<BFloat16>.byteCount(config, images: images)
    }
  }

  /// Whether every request has all of its tokens, or is cancelled.
  package var isFinished: Bool { position == config.imageLength || results.allSatisfy(\.isCancelled) }

  /// Samples the next token of every request that is not cancelled.
  package func advance() throws {
    precondition(!isFinished, "a session that is finished has no next position")
    let previous = position == 0 ? [] : plan.requestOfRow.map { results[$0].tokens.last ?? 0 }
    let logits = try step(position, previous)
    for (index, request) in requests.enumerated() {
      // Every position takes its number, so that what follows a prefix does not depend on who sampled it.
      let uniform = Double(random[index].next() >> 11) * 0x1p-53
      if results[index].isCancelled { continue }
      let row = logits.row(plan.rows[index].with)
      if let without = plan.rows[index].without.map({ logits.row($0) }) {
        let guidance = Float(request.sampling.guidance)
        for token in 0..<row.count { row[token] = without[token] + guidance * (row[token] - without[token]) }
      }
      let token = position < request.prefix.count ? Int(request.prefix[position]) : choices[index].choose(row, uniform: uniform)
      results[index].logProbabilities.append(choices[index].logProbability(of: token, row))
      results[index].tokens.append(Token(token))
    }
    position += 1
  }

  /// Ends a request; the others' tokens stay as they would be.
  package func cancel(_ index: Int) { results[index].isCancelled = true }

  /// The tokens so far.
  package func result(of index: Int) -> GeneratedTokens { results[index] }
}

/// Which rows of a cached step belong to which requests.
private struct RowPlan {
  /// The prompts that differ, and how many rows each has.
  var captions: [[Token]] = []
  var images: [Int] = []
  /// A request's row with its prompt, and with guidance that without.
  var rows: [(with: Int, without: Int?)]
  var requestOfRow: [Int] = []

  init(_ requests: [GenerationRequest]) {
    var members: [[(request: Int, isWithout: Bool)]] = []
    var groups: [[Token]: Int] = [:]
    var captions: [[Token]] = []
    func add(_ caption: [Token], _ request: Int, isWithout: Bool) {
      let group = groups[caption, default: captions.count]
      if group == captions.count {
        groups[caption] = group
        captions.append(caption)
        members.append([])
      }
      members[group].append((request, isWithout))
    }
    for (index, request) in requests.enumerated() {
      add(request.prompt, index, isWithout: false)
      if request.rowCount == 2 { add([], index, isWithout: true) }
    }
    self.captions = captions
    images = members.map(\.count)
    rows = requests.map { _ in (0, nil) }
    for (row, member) in members.joined().enumerated() {
      if member.isWithout { rows[member.request].without = row } else { rows[member.request].with = row }
      requestOfRow.append(member.request)
    }
  }

  var rowCount: Int { requestOfRow.count }
}
