import Foundation
import Kernels
import Layers
import Models

/// What a run would take: parameters, arithmetic, memory, and how batches are cut. Nothing is trained or allocated.
public struct Plan {
  private let config: RunConfig
  private let ranks: Int
  private let ranksPerNode: Int

  public init(_ config: RunConfig, ranks: Int, ranksPerNode: Int) {
    self.config = config
    self.ranks = ranks
    self.ranksPerNode = ranksPerNode
  }

  public func text() throws -> String {
    let dvae = config.dvaeConfig
    try dvae.validate()
    let architecture = DVAEArchitecture(dvae)
    let transformer = config.transformerConfig(textVocabulary: config.tokenizer.vocabulary)
    try transformer.validate()
    let precision = try config.precision.resolved()
    return [
      "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(ranksPerNode) on each node, \(precision.rawValue)",
      "",
      "dVAE: pictures of \(dvae.imageSize) x \(dvae.imageSize) pixels to \(dvae.grid) x \(dvae.grid) tokens of \(dvae.vocabulary)",
      section(
        architecture.table, config.dvae.training, flops: 3 * (architecture.encoderFlops + architecture.decoderFlops),
        activations: try DVAE.activationBytes(dvae, batch: config.dvae.training.microBatch, precision: precision), precision),
      "",
      "transformer: \(transformer.layers) layers, width \(transformer.width), "
        + "\(transformer.textLength) text tokens of \(transformer.textVocabulary) at most + \(transformer.imageLength) image tokens",
      section(
        Transformer.table(transformer), config.transformer.training,
        flops: 3 * transformer.flops(patterns: Transformer.patterns(transformer)),
        activations: Transformer.activationBytes(transformer, batch: config.transformer.training.microBatch, precision: precision),
        precision),
    ].joined(separator: "\n")
  }

  /// - Parameters:
  ///   - flops: of one sample's forward and backward pass.
  ///   - activations: bytes on each rank.
  private func section(
    _ table: ParameterTable, _ training: TrainingConfig, flops: Double, activations: Int, _ precision: Precision
  ) -> String {
    let copy = 4 * table.floatCount
    // One gradient a rank; weights, two moments and the average once a node, and the weights in bf16.
    let rank = activations + copy
    let shared = 4 * copy + (precision == .bf16 ? copy / 2 : 0)
    let node = shared + ranksPerNode * rank
    let most = (training.batch + ranks - 1) / ranks
    let microBatches = (most + training.microBatch - 1) / training.microBatch
    return """
        parameters   \(table.parameterCount.formatted())
        arithmetic   \(Self.scaled(flops * Double(training.batch), "FLOP")) a step, \(training.steps) steps
        batch        \(training.batch) samples: \(most == training.batch ? "" : "at most ")\(most) a rank, in \(microBatches) \
      \(microBatches == 1 ? "micro-batch" : "micro-batches") of at most \(training.microBatch)
        a rank       \(Self.scaled(Double(rank), "B")): activations \(Self.scaled(Double(activations), "B")), gradient \
      \(Self.scaled(Double(copy), "B"))
        a node       \(Self.scaled(Double(node), "B")): its ranks, and weights, moments and average \
      \(Self.scaled(Double(shared), "B"))
      """
  }

  /// "12.3 GB"
  private static func scaled(_ value: Double, _ unit: String) -> String {
    var value = value
    for prefix in ["", "k", "M", "G", "T", "P"] {
      if value < 1000 { return String(format: value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value) + " \(prefix)\(unit)" }
      value /= 1000
    }
    return String(format: "%.0f", value) + " E\(unit)"
  }
}
