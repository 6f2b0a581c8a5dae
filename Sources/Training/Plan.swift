import Foundation
import Kernels
import Layers
import Memory
import Models
import Optimization

/// What a run would take: parameters, FLOPs, memory, and how batches are cut. Nothing is trained or allocated.
public struct Plan {
  private let config: RunConfig
  private let ranks: Int
  private let ranksPerNode: Int

  /// - Parameter config: a validated one.
  public init(_ config: RunConfig, ranks: Int, ranksPerNode: Int) {
    self.config = config
    self.ranks = ranks
    self.ranksPerNode = ranksPerNode
  }

  /// - Throws: `DalleError` if this CPU cannot compute in the configured precision.
  public func text() throws -> String {
    let dvae = config.dvaeConfig
    let architecture = DVAEArchitecture(dvae)
    let transformer = config.transformerConfig(textVocabulary: config.tokenizer.vocabulary)
    let precision = try config.precision.resolved()
    return [
      "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(ranksPerNode) per node, \(precision.rawValue)",
      "",
      "dVAE: images of \(dvae.imageSize) x \(dvae.imageSize) pixels to \(dvae.grid) x \(dvae.grid) tokens of \(dvae.vocabulary)",
      try section(
        architecture.table, config.dvae.training, flops: 3 * (architecture.encoderFlops + architecture.decoderFlops), precision
      ) { try DVAE.activationBytes(dvae, batch: $0, precision: precision) },
      "",
      "transformer: \(transformer.layers) layers, width \(transformer.width), "
        + "\(transformer.textLength) text tokens of \(transformer.textVocabulary) at most + \(transformer.imageLength) image tokens",
      section(
        Transformer.table(transformer), config.transformer.training,
        flops: 3 * transformer.flops(patterns: Transformer.patterns(transformer)), precision
      ) { Transformer.activationBytes(transformer, batch: $0, precision: precision) },
    ].joined(separator: "\n")
  }

  /// - Parameters:
  ///   - flops: of one sample's forward and backward pass.
  ///   - activations: bytes per rank for a micro-batch of so many samples.
  private func section(
    _ table: ParameterTable, _ training: TrainingConfig, flops: Double, _ precision: Precision,
    activations: (_ samples: Int) throws -> Int
  ) rethrows -> String {
    // Bytes grow linearly with samples; a product of large whole numbers could overflow.
    let one = Double(try activations(1))
    let activationBytes = one + Double(training.microBatch - 1) * (Double(try activations(2)) - one)
    let memory = TrainingMemory(
      table, state: AdamW(training.adamw).state + [ExponentialMovingAverage.state], precision: precision,
      activations: Int(min(activationBytes, 1e15)), ranksPerNode: ranksPerNode, gradientBlocks: config.parallel.gradientBlocks,
      available: AvailableMemory.byteCount)
    let most = (training.batch + ranks - 1) / ranks
    let microBatches = (most + training.microBatch - 1) / training.microBatch
    return """
        parameters   \(table.parameterCount.formatted())
        FLOPs        \(Self.scaled(flops * Double(training.batch), "FLOP")) per step, \(training.steps) steps
        batch        \(training.batch) samples: \(most == training.batch ? "" : "at most ")\(most) per rank, in \(microBatches) \
      \(microBatches == 1 ? "micro-batch" : "micro-batches") of at most \(training.microBatch)
        per rank     \(Self.scaled(memory.perRank)): activations \(Self.scaled(memory.activations)), gradients \
      \(Self.scaled(memory.gradients)) (\(min(memory.gradientBlocks, table.blocks.count)) of \(table.blocks.count) blocks at a time)
        per node     \(Self.scaled(memory.perNode)): its ranks, and weights, moments and EMA \
      \(Self.scaled(memory.shared)); \(AvailableMemory.byteCount.map(Self.scaled) ?? "unknown") available here
      """
  }

  private static func scaled(_ bytes: Int) -> String { scaled(Double(bytes), "B") }

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
