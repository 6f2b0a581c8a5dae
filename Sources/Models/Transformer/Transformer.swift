import Kernels
import Layers
import Memory

/// The autoregressive transformer over one stream of text and image tokens (paper 2.2, B.1). It knows no ranks and no
/// files: weights come from a `ParameterSource`, gradients go to one.
///
/// Inputs are shifted within each segment: `[start of text, t0, ...]` and `[start of image, z0, ...]`; the output at a
/// position predicts the token of that position.
public final class Transformer {
  public let config: TransformerConfig
  public let table: ParameterTable
  public let patterns: [AttentionPattern]
  /// Most samples of one call.
  public let batch: Int
  let parameters: TransformerParameters
  private let activations: TransformerActivations
  private let arena: Arena

  /// Lays out activations for micro-batches of up to `batch` samples.
  public init(_ config: TransformerConfig, batch: Int) throws {
    try config.validate()
    self.config = config
    self.batch = batch
    var table = ParameterTable()
    parameters = TransformerParameters(config, &table)
    self.table = table
    let patterns = Self.patterns(config)
    self.patterns = patterns
    (arena, activations) = Arena.layOut { TransformerActivations(config, patterns, samples: batch, in: &$0) }
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
  public static func activationBytes(_ config: TransformerConfig, batch: Int) -> Int {
    let patterns = patterns(config)
    return Arena.measure { TransformerActivations(config, patterns, samples: batch, in: &$0) }
  }

  /// Loss and gradient: adds the gradient of `textScale · Σ text nats + imageScale · Σ image nats` to `source`.
  public func forwardBackward(
    _ samples: TransformerBatch, _ source: any ParameterSource, textScale: Float, imageScale: Float
  ) throws -> TransformerLoss {
    check(samples)
    let clock = ContinuousClock()
    let start = clock.now
    var step = TransformerStep(self, activations, samples: samples.count)
    try forward(samples, source, &step)
    let middle = clock.now

    let heads = parameters.heads
    var loss = try step.heads(
      heads, samples, source.weights(of: heads.block),
      gradients: (source.gradients(of: heads.block), textScale: textScale, imageScale: imageScale))
    try source.backwardDone(heads.block)
    for layer in (0..<config.layers).reversed() {
      let mlp = parameters.mlp[layer]
      try step.mlpBackward(layer, mlp, source.weights(of: mlp.block), source.gradients(of: mlp.block))
      try source.backwardDone(mlp.block)
      let attention = parameters.attention[layer]
      try step.attentionBackward(
        layer, attention, source.weights(of: attention.block), source.gradients(of: attention.block))
      try source.backwardDone(attention.block)
    }
    let embeddings = parameters.embeddings
    step.embedBackward(embeddings, samples, source.gradients(of: embeddings.block))
    try source.backwardDone(embeddings.block)
    loss.forwardSeconds = (middle - start) / .seconds(1)
    loss.backwardSeconds = (clock.now - middle) / .seconds(1)
    return loss
  }

  /// Loss alone.
  public func evaluate(_ samples: TransformerBatch, _ source: any ParameterSource) throws -> TransformerLoss {
    check(samples)
    var step = TransformerStep(self, activations, samples: samples.count)
    try forward(samples, source, &step)
    return try step.heads(
      parameters.heads, samples, source.weights(of: parameters.heads.block), gradients: nil)
  }

  private func forward(_ samples: TransformerBatch, _ source: any ParameterSource, _ step: inout TransformerStep) throws {
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
