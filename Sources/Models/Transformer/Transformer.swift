import Kernels
import Layers
import Memory

/// The autoregressive transformer over one stream of text and image tokens (paper 2.2, B.1). It knows no ranks and no
/// files: weights come from a `ParameterStore`, gradients go to one.
///
/// Inputs are shifted within each segment: `[start of text, t0, ...]` and `[start of image, z0, ...]`; the output at a
/// position predicts the token of that position.
package final class Transformer {
  package let config: TransformerConfig
  package let table: ParameterTable
  package let patterns: [AttentionPattern]
  /// Largest number of samples per call.
  package let batch: Int
  package let precision: Precision
  private let passes: any TransformerPasses
  private let arena: Arena

  /// Lays out activations for micro-batches of up to `batch` samples. With bf16 the parameter stores must keep weights in that format.
  package init(_ config: TransformerConfig, batch: Int, precision: Precision = .fp32) throws {
    try config.validate()
    self.config = config
    self.batch = batch
    self.precision = precision
    var table = ParameterTable()
    let parameters = TransformerParameters(config, &table)
    self.table = table
    let patterns = Self.patterns(config)
    self.patterns = patterns
    (arena, passes) = Arena.layOut { Self.passes(config, parameters, patterns, samples: batch, precision, in: &$0) }
  }

  private static func passes(
    _ config: TransformerConfig, _ parameters: TransformerParameters, _ patterns: [AttentionPattern], samples: Int,
    _ precision: Precision, in space: inout Space
  ) -> any TransformerPasses {
    func step<Element: Scalar>(_: Element.Type) -> TransformerStep<Element> {
      TransformerStep(config, parameters, patterns, TransformerActivations(config, patterns, samples: samples, in: &space))
    }
    return switch precision {
    case .fp32: step(Float.self)
    case .bf16: step(BFloat16.self)
    }
  }

  /// Every parameter of a transformer of this shape.
  package static func table(_ config: TransformerConfig) -> ParameterTable {
    var table = ParameterTable()
    _ = TransformerParameters(config, &table)
    return table
  }

  /// The attention of each layer.
  package static func patterns(_ config: TransformerConfig) -> [AttentionPattern] {
    var made: [AttentionKind: AttentionPattern] = [:]
    return (0..<config.layers).map { layer in
      let kind = AttentionKind.ofLayer(layer, of: config.layers)
      if let pattern = made[kind] { return pattern }
      let pattern = AttentionPattern(
        kind, textLength: config.textLength, grid: config.grid, kernel: config.convolutionKernel)
      made[kind] = pattern
      return pattern
    }
  }

  /// Bytes of all activations.
  package var activationBytes: Int { arena.byteCount }

  /// Bytes that activations for `batch` samples would take.
  package static func activationBytes(_ config: TransformerConfig, batch: Int, precision: Precision) -> Int {
    let patterns = patterns(config)
    var table = ParameterTable()
    let parameters = TransformerParameters(config, &table)
    return Arena.measure { passes(config, parameters, patterns, samples: batch, precision, in: &$0) }
  }

  /// Loss and gradient: adds the gradient of `textScale · Σ text nats + imageScale · Σ image nats` to `store`.
  package func forwardBackward(
    _ samples: TransformerBatch, _ store: any ParameterStore, textScale: Float, imageScale: Float
  ) throws -> TransformerLoss {
    check(samples)
    return try passes.forwardBackward(samples, store, textScale: textScale, imageScale: imageScale)
  }

  /// Loss alone.
  package func evaluate(_ samples: TransformerBatch, _ store: any ParameterStore) throws -> TransformerLoss {
    check(samples)
    return try passes.evaluate(samples, store)
  }

  private func check(_ samples: TransformerBatch) {
    precondition(samples.count <= batch, "\(samples.count) samples for a transformer laid out for \(batch)")
    precondition(
      samples.image.count == samples.count * config.imageLength,
      "\(samples.image.count) image tokens for \(samples.count) samples of \(config.imageLength)")
    precondition(samples.text.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
  }
}
