import Foundation
import Generation
import Kernels
import Layers
import Memory
import Models
import Tokens

/// Throughput of sampling image tokens, without the dVAE.
struct SamplingBench: Codable {
  var images: Int
  var steps: Int
  var precision: Precision
  /// Median seconds to compute the captions.
  var captionSeconds = 0.0
  /// Median seconds of a step.
  var seconds = 0.0

  init(images: Int, steps: Int, repeats: Int) throws {
    (self.images, self.steps, precision) = (images, steps, .sampling)
    switch precision {
    case .fp32: try self.measure(Float.self, repeats)
    case .bf16: try self.measure(BFloat16.self, repeats)
    }
  }

  private mutating func measure<Element: Scalar>(_: Element.Type, _ repeats: Int) throws {
    let shape = ReferenceShape.Transformer.small.config
    let table = Transformer.table(shape)
    let weights = LocalParameters(table, gradients: false, precision: precision)
    for block in table.blockIDs { table.initialize(block, into: weights.weights(of: block), seed: 1) }
    weights.refreshComputeCopy()
    let packed = try PackedWeights(weights, precision)
    let caption = (0..<shape.textLength).map { Token($0 * 7 % shape.textVocabulary) }
    let times = try (0...repeats).map { _ in
      let start = ContinuousClock.now
      let model = try CachedTransformer<Element>(shape, captions: [caption], images: [images], weights: packed)
      let middle = ContinuousClock.now
      var previous: [Token] = []
      let choice = TokenChoice(SamplingConfig(), vocabulary: shape.imageVocabulary)
      for position in 0..<steps {
        let logits = try model.step(position, previous: previous)
        previous = (0..<images).map { Token(choice.choose(logits.row($0), uniform: 0.5)) }
      }
      return (caption: (middle - start) / .seconds(1), step: (.now - middle) / .seconds(1) / Double(steps))
    }.dropFirst()
    captionSeconds = times.map(\.caption).sorted()[repeats / 2]
    seconds = times.map(\.step).sorted()[repeats / 2]
  }

  var text: String {
    """
    sampling     \(images) \(images == 1 ? "image" : "images") side by side, \(precision.rawValue)
      throughput   \(String(format: "%.1f", 1 / seconds)) steps/s, \(String(format: "%.0f", Double(images) / seconds)) tokens/s
      caption      \(String(format: "%.1f", 1000 * captionSeconds)) ms before the first step
    """
  }
}
