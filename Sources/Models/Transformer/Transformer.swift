import Kernels
import Layers
import Memory

/// The autoregressive transformer over one stream of text and image tokens (paper 2.2, B.1). It knows no ranks and no
/// files: weights come from a `ParameterStore`, gradients go to one.
///
/// Inputs are shifted within each segment: `[start of text, t0, ...]` and `[start of image, z0, ...]`; the output at a
/// position predicts the token of that position.
public final class Transformer {
  public let config: TransformerConfig
  public let table: ParameterTable
  public let patterns: [AttentionPattern]
  /// Most samples of one call.
  public let batch: Int
  public let precision: Precision
  let parameters: TransformerParameters
  private let activations: Activations
  private let arena: Arena

  private enum Activations {
    case fp32(TransformerActivations<Float>)
    case bf16(TransformerActivations<BFloat16>)
  }

  /// Lays out activations for micro-batches of up to `batch` samples. With bf16 the sources of weights must keep that format.
  public init(_ config: TransformerConfig, batch: Int, precision: Precision = .fp32) throws {
    try config.validate()
    self.config = config
    self.batch = batch
    self.precision = precision
    var table = ParameterTable()
    parameters = TransformerParameters(config, &table)
    self.table = table
    let patterns = Self.patterns(config)
    self.patterns = patterns
    (arena, activations) = Arena.layOut { Self.activations(config, patterns, samples: batch, precision, in: &$0) }
  }

  private static func activations(
    _ config: TransformerConfig, _ patterns: [AttentionPattern], samples: Int, _ precision: Precision, in space: inout Space
  ) -> Activations {
    switch precision {
    case .fp32: .fp32(TransformerActivations(config, patterns, samples: samples, in: &space))
    case .bf16: .bf16(TransformerActivations(config, patterns, samples: samples, in: &space))
    }
  }

  /// Every parameter of a transformer of this shape.
  public static func table(_ config: TransformerConfig) -> ParameterTable {
    var table = ParameterTable()
    _ = TransformerParameters(config, &table)
    return table
  }

  /// The attention of each layer.
  public static func patterns(_ config: TransformerConfig) -> [AttentionPattern] {
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
  public var activationBytes: Int { arena.byteCount }

  /// Bytes that activations for `batch` samples would take.
  public static func activationBytes(_ config: TransformerConfig, batch: Int, precision: Precision) -> Int {
    let patterns = patterns(config)
    return Arena.measure { activations(config, patterns, samples: batch, precision, in: &$0) }
  }

  /// Loss and gradient: adds the gradient of `textScale · Σ text nats + imageScale · Σ image nats` to `source`.
  public func forwardBackward(
    _ samples: TransformerBatch, _ source: any ParameterStore, textScale: Float, imageScale: Float
  ) throws -> TransformerLoss {
    check(samples)
    let scales = (text: textScale, image: imageScale)
    return switch activations {
    case .fp32(let a): try forwardBackward(TransformerStep(self, a, samples: samples.count), samples, source, scales)
    case .bf16(let a): try forwardBackward(TransformerStep(self, a, samples: samples.count), samples, source, scales)
    }
  }

  /// Loss alone.
  public func evaluate(_ samples: TransformerBatch, _ source: any ParameterStore) throws -> TransformerLoss {
    check(samples)
    return switch activations {
    case .fp32(let a): try evaluate(TransformerStep(self, a, samples: samples.count), samples, source)
    case .bf16(let a): try evaluate(TransformerStep(self, a, samples: samples.count), samples, source)
    }
  }

  private func forwardBackward<Element>(
    _ step: TransformerStep<Element>, _ samples: TransformerBatch, _ source: any ParameterStore,
    _ scales: (text: Float, image: Float)
  ) throws -> TransformerLoss {
    let clock = ContinuousClock()
    let start = clock.now
    try forward(step, samples, source)
    let middle = clock.now

    let heads = parameters.heads
    var loss = try step.heads(
      heads, samples, source.weights(of: heads.block),
      gradients: (try source.gradients(of: heads.block), textScale: scales.text, imageScale: scales.image))
    try source.backwardDone(heads.block)
    for layer in (0..<config.layers).reversed() {
      let mlp = parameters.mlp[layer]
      try step.mlpBackward(layer, mlp, source.weights(of: mlp.block), try source.gradients(of: mlp.block))
      try source.backwardDone(mlp.block)
      let attention = parameters.attention[layer]
      try step.attentionBackward(
        layer, attention, source.weights(of: attention.block), try source.gradients(of: attention.block))
      try source.backwardDone(attention.block)
    }
    let embeddings = parameters.embeddings
    step.embedBackward(embeddings, samples, try source.gradients(of: embeddings.block))
    try source.backwardDone(embeddings.block)
    loss.forwardSeconds = (middle - start) / .seconds(1)
    loss.backwardSeconds = (clock.now - middle) / .seconds(1)
    return loss
  }

  private func evaluate<Element>(
    _ step: TransformerStep<Element>, _ samples: TransformerBatch, _ source: any ParameterStore
  ) throws -> TransformerLoss {
    try forward(step, samples, source)
    return try step.heads(parameters.heads, samples, source.weights(of: parameters.heads.block), gradients: nil)
  }

  private func forward<Element>(
    _ step: TransformerStep<Element>, _ samples: TransformerBatch, _ source: any ParameterStore
  ) throws {
    let embeddings = parameters.embeddings
    try step.embed(embeddings, samples, source.weights(of: embeddings.block))
    for layer in 0..<config.layers {
      let attention = parameters.attention[layer]
      try step.attention(layer, attention, source.weights(of: attention.block))
      let mlp = parameters.mlp[layer]
      try step.mlp(layer, mlp, source.weights(of: mlp.block))
    }
  }

  private func check(_ samples: TransformerBatch) {
    precondition(samples.count <= batch, "\(samples.count) samples for a transformer laid out for \(batch)")
    precondition(
      samples.image.count == samples.count * config.imageLength,
      "\(samples.image.count) image tokens for \(samples.count) samples of \(config.imageLength)")
    precondition(samples.text.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
  }
}
