import Kernels
import Layers
import Memory
import Models
import Random
import TestSupport
import Testing
import Tokens

@testable import Generation

#if canImport(Glibc)
  import Glibc
#endif

private func config(_ architecture: TransformerArchitecture) -> TransformerConfig {
  TransformerConfig(
    layers: 6, heads: 2, headSize: 16, textLength: 5, grid: 4, textVocabulary: 11, imageVocabulary: 13, convolutionKernel: 3,
    architecture: architecture)
}

private func randomParameters(_ config: TransformerConfig, _ precision: Precision) -> LocalParameters {
  let parameters = LocalParameters(Transformer.table(config), precision: precision)
  for block in parameters.table.blockIDs {
    let values = parameters.weights(of: block).values
    fillNormal(values, seed: 7, stream: UInt64(block.index), std: 0.3)
  }
  parameters.refreshComputeCopy()
  return parameters
}

@Suite struct CachedTransformerTests {
  /// The loss of every image token alone, from full forward passes, against the logits of cached steps. Six layers hold
  /// every kind of attention.
  @Test(arguments: TransformerArchitecture.allCases) func stepsGiveTheLogitsOfAFullPass(architecture: TransformerArchitecture)
    throws
  {
    let config = config(architecture)
    // Sums of 16 losses of a few nats each, by two ways: in fp32, and with products of operands of 8 bits.
    try expectSteps(config, Float.self, .fp32, tolerance: 2e-3)
    if Precision.bf16.isSupported { try expectSteps(config, BFloat16.self, .bf16, tolerance: 0.3) }
  }

  private func expectSteps<Element: Scalar>(
    _ config: TransformerConfig, _: Element.Type, _ precision: Precision, tolerance: Double
  ) throws {
    #expect(Set(Transformer.patterns(config).map(\.shape)).count == 3)
    let parameters = randomParameters(config, precision)
    let captions: [[Token]] = [[1, 2, 3], [4], [], [9, 8, 7, 6, 5]]
    let rows = captions.count * 2
    var random = RandomStream(seed: 1, stream: 1)
    let codes = (0..<rows).map { _ in (0..<16).map { _ in Token(random.integer(in: 0..<13)) } }

    let cached = try CachedTransformer<Element>(
      config, captions: captions, images: captions.map { _ in 2 }, weights: PackedWeights(parameters, precision))
    var nats = [Double](repeating: 0, count: rows)
    for position in 0..<16 {
      let logits = try cached.step(position, previous: position == 0 ? [] : codes.map { $0[position - 1] })
      for row in 0..<rows {
        let values = logits.row(row).array.map(Double.init)
        let largest = values.max()!
        let sum = values.reduce(0) { $0 + exp($1 - largest) }
        nats[row] += largest + log(sum) - values[Int(codes[row][position])]
      }
    }
    let full = try Transformer(config, batch: 1, precision: precision)
    for row in 0..<rows {
      let loss = try full.evaluate(TransformerBatch(text: [captions[row / 2]], image: codes[row]), parameters)
      #expect(abs(loss.imageNats - nats[row]) < tolerance, "row \(row): \(nats[row]), full pass \(loss.imageNats)")
      #expect(loss.imageNats > 16)
    }
  }

  @Test func choiceFollowsTheProbabilities() {
    let logits = kept([1, 3, 2, -4].map(Float.init)).vector
    var sampling = SamplingConfig()
    func counts() -> [Int] {
      var counts = [0, 0, 0, 0]
      let choice = TokenChoice(sampling, vocabulary: 4)
      for step in 0..<4000 { counts[choice.choose(logits, uniform: (Double(step) + 0.5) / 4000)] += 1 }
      return counts
    }
    // softmax of 1, 3, 2, -4
    for (count, share) in zip(counts(), [0.08997, 0.66480, 0.24457, 0.00061]) {
      #expect(abs(Double(count) / 4000 - share) < 5e-4)
    }
    sampling.topK = 2
    #expect(counts()[0] == 0 && counts()[3] == 0 && abs(counts()[2] - 1076) < 3)  // 4000 / (1 + e)
    sampling.topK = 0
    sampling.topP = 0.9
    #expect(counts()[0] == 0 && counts()[2] > 0)
    sampling.topP = 0.5
    #expect(counts() == [0, 4000, 0, 0])
    // The likeliest three have 0.0906, 0.6652, 0.2442 of their sum; two reach 0.9.
    (sampling.topK, sampling.topP) = (3, 0.9)
    #expect(counts()[0] == 0 && counts()[3] == 0 && abs(counts()[2] - 1076) < 3)
    sampling = SamplingConfig()
    sampling.temperature = 0
    #expect(counts() == [0, 4000, 0, 0])
    sampling.temperature = 0.25
    #expect(abs(counts()[1] - 3927) < 3)  // 4000 / (1 + e^-4 + e^-8 + e^-28)
  }
}
