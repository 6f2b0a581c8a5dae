import Errors
import Kernels
import Layers
import Models
import TestSupport
import Testing
import Tokens

@testable import Generation

@Suite struct SamplingSessionTests {
  private static let config = TransformerConfig(
    layers: 4, heads: 2, headSize: 32, textLength: 6, grid: 4, textVocabulary: 30, imageVocabulary: 40, convolutionKernel: 3)

  private static func parameters(_ precision: Precision) -> LocalParameters {
    let parameters = LocalParameters(Transformer.table(config), precision: precision)
    for block in parameters.table.blockIDs {
      fillNormal(parameters.weights(of: block).values, seed: 5, stream: UInt64(block.index), std: 0.25)
    }
    parameters.refreshComputeCopy()
    return parameters
  }

  private static func request(
    _ prompt: [Token], _ number: Int = 0, seed: UInt64 = 1, guidance: Double = 1, temperature: Double = 1, topK: Int = 0,
    prefix: [UInt16] = []
  ) -> GenerationRequest {
    var sampling = SamplingConfig()
    (sampling.guidance, sampling.temperature, sampling.topK) = (guidance, temperature, topK)
    return GenerationRequest(prompt: prompt, number: number, seed: seed, sampling: sampling, prefix: prefix)
  }

  private func sample(
    _ requests: [GenerationRequest], _ parameters: LocalParameters, _ precision: Precision, cancel: (index: Int, at: Int)? = nil
  ) throws -> [GeneratedTokens] {
    let session = try SamplingSession(requests, Self.config, weights: PackedWeights(parameters, precision))
    while !session.isFinished {
      if let cancel, session.position == cancel.at { session.cancel(cancel.index) }
      try session.advance()
    }
    return requests.indices.map(session.result)
  }

  private var precisions: [Precision] { Precision.bf16.isSupported ? [.fp32, .bf16] : [.fp32] }

  /// Tokens and log-probabilities of a request alone, and among others with other prompts, seeds, settings and prefixes.
  @Test func aRequestGivesTheSameWhateverElseIsSampled() throws {
    let mine = [
      Self.request([1, 2, 3], 2, seed: 9), Self.request([4], 0, guidance: 2.5), Self.request([], 1, temperature: 0.5, topK: 5),
      Self.request([1, 2, 3], 0, guidance: 1.5, temperature: 0, prefix: [3, 1, 4, 1, 5]),
    ]
    let prompts: [[Token]] = [[1, 2, 3], [7, 8], []]
    let others: [GenerationRequest] = (0..<20).map { number in
      let guidance: Double = number % 2 == 0 ? 1 : 3
      let temperature = 0.2 + Double(number % 5) / 4
      return Self.request(
        prompts[number % 3], number + 10, seed: UInt64(number % 4), guidance: guidance, temperature: temperature)
    }
    for precision in precisions {
      let parameters = Self.parameters(precision)
      let alone = try mine.map { try sample([$0], parameters, precision)[0] }
      #expect(Set(alone.map(\.tokens)).count == mine.count, "requests that differ give the same tokens")
      let arrangements: [[GenerationRequest]] = [
        mine, mine.reversed(), mine + others, others + mine, Array(others[0..<3]) + mine + Array(others[3...]),
      ]
      for together in arrangements {
        let results = try sample(together, parameters, precision)
        for (request, expected) in zip(mine, alone) {
          #expect(results[together.firstIndex(of: request)!] == expected, "\(precision), among \(together.count)")
        }
      }
      // The others go on as if a cancelled request were still there.
      let cancelled = try sample(mine + others, parameters, precision, cancel: (index: 1, at: 7))
      #expect(cancelled[1].isCancelled)
      #expect(cancelled[1].tokens == Array(alone[1].tokens.prefix(7)))
      for index in [0, 2, 3] { #expect(cancelled[index] == alone[index]) }
    }
  }

  /// Log-probabilities add up to the loss of a full pass over the same tokens.
  @Test func logProbabilitiesAreThoseOfTheModel() throws {
    for precision in precisions {
      let parameters = Self.parameters(precision)
      let model = try Transformer(Self.config, batch: 1, precision: precision)
      for request in [Self.request([5, 6, 7, 8]), Self.request([9], temperature: 0.3, topK: 3, prefix: [7, 7, 7])] {
        let result = try sample([request], parameters, precision)[0]
        #expect(result.tokens.count == 16)
        #expect(result.logProbabilities.count == 16)
        #expect(Array(result.tokens.prefix(request.prefix.count)) == request.prefix)
        let loss = try model.evaluate(TransformerBatch(text: [request.prompt], image: result.tokens), parameters)
        // In bf16 activations are rounded to 8 bits, in two orders.
        let tolerance = precision == .fp32 ? 1e-3 : 0.3
        let nats = -result.logProbabilities.reduce(0, +)
        #expect(abs(loss.imageNats - nats) < tolerance, "\(precision): \(nats), full pass \(loss.imageNats)")
        #expect(loss.imageNats > 10)
      }
    }
  }

  /// A prefix that a request sampled itself changes nothing of what follows.
  @Test func aPrefixContinuesWhatSampledIt() throws {
    let parameters = Self.parameters(.fp32)
    var request = Self.request([2, 4], 3, seed: 8, guidance: 1.5)
    let whole = try sample([request], parameters, .fp32)[0]
    request.prefix = Array(whole.tokens.prefix(9))
    #expect(try sample([request], parameters, .fp32)[0] == whole)
  }

  @Test func whatCannotBeSampledIsRefused() throws {
    let parameters = Self.parameters(.fp32)
    func expectRefused(_ requests: [GenerationRequest], _ text: String) {
      #expect { try SamplingSession(requests, Self.config, weights: PackedWeights(parameters, .fp32)) } throws: {
        "\($0)".contains(text) && $0 is DalleError
      }
    }
    expectRefused([], "no requests")
    expectRefused([Self.request([1, 2, 3, 4, 5, 6, 7])], "text context is 6 tokens")
    expectRefused([Self.request([30])], "text tokens 0 to 29")
    expectRefused([Self.request([1], prefix: Array(repeating: 0, count: 17))], "17 image tokens")
    expectRefused([Self.request([1], prefix: [40])], "0 to 39")
    expectRefused((0..<33).map { Self.request([1], $0, guidance: 2) }, "66 rows")
  }

  @Test func memoryIsKnownBeforehand() {
    let one = SamplingSession.byteCount([Self.request([1])], Self.config, .fp32)
    let two = SamplingSession.byteCount([Self.request([1]), Self.request([1], 1)], Self.config, .fp32)
    let others = SamplingSession.byteCount([Self.request([1]), Self.request([2])], Self.config, .fp32)
    // A second image of a prompt has its own image keys and values, another prompt its text, too.
    #expect(one > 0 && two > one && others > two)
  }
}
