import Kernels
import Layers
import Memory
import Optimization

/// What an exchange takes of network and memory; known before anything is allocated.
package struct ExchangeCost: Sendable {
  package let nodes: Int
  /// Bytes of a node's gradients of each block, in the order of the table, as they travel in an exchange.
  package let payloads: [Int]
  /// Bytes of all of them; and as they would travel in fp32.
  package let payload, payloadInFP32: Int
  /// Bytes of the weights that nodes gather after an update.
  package let gathered: Int
  /// Over how many nodes weights and state are spread.
  package let spread: Int
  /// Whether each node gets the sums of its rows alone.
  private let isScattered: Bool
  /// From one exchange to the next: 1, or a round of local updates.
  package let steps: Int
  /// Messages that follow from each other until a block's gradients are summed, and until its weights have arrived: one for each level of a
  /// tree, or one in which every node sends to all others.
  package let gradientRounds, weightRounds: Int
  /// Floats of a rank's gradients that are on their way at a time, at most.
  package let gradientLimit: Int
  /// Nodes from which a rank gets weights at a time, at most.
  package static let weightLimit = WeightGather.limit
  /// FLOPs of a node per exchange to compress its gradients and to expand the sums.
  package let flops: Double
  /// Bytes of a rank for messages and factors, beside the arrays of `ExchangeSettings.state`.
  package let memory: Int

  /// - Parameters:
  ///   - precision: in which models read operands.
  ///   - granularity: the largest part of a parameter that must stay together, as the optimizer asks.
  package init(
    _ settings: ExchangeSettings, _ table: ParameterTable, precision: Precision, nodes: Int, ranksPerNode: Int,
    granularity: (Parameter) -> UpdateGranularity = { _ in .rows }
  ) {
    self.nodes = nodes
    spread = settings.shard.spread(over: nodes)
    isScattered = spread > 1 && settings.format != .powersgd
    steps = max(1, settings.localUpdates)
    payloadInFP32 = 4 * table.floatCount
    gathered = spread == 1 ? 0 : WeightGather.byteCount(table, precision)
    // Of a binary tree.
    let levels = nodes.bitWidth - (nodes - 1).leadingZeroBitCount
    weightRounds = spread == 1 ? 0 : levels
    let inFP32 = table.blocks.map { 4 * $0.count }
    switch settings.format {
    case .fp32:
      (payloads, memory, flops, gradientLimit) = (inFP32, 0, 0, .max)
      gradientRounds = isScattered ? levels : 2 * levels
    case .bf16:
      (payloads, flops) = (inFP32.map { $0 / 2 }, 0)
      let floatCount = table.floatCount / ranksPerNode
      if isScattered {
        gradientRounds = 1
        memory = RoundedScatteredExchange.byteCount(floatCount: floatCount, nodes: nodes)
        gradientLimit = RoundedScatteredExchange.limit(floatCount: floatCount, nodes: nodes)
      } else {
        gradientRounds = nodes == 1 ? 0 : 2
        memory = RoundedExchange.byteCount(floatCount: floatCount, nodes: nodes)
        gradientLimit = RoundedExchange.limit
      }
    case .powersgd where nodes == 1: (payloads, memory, flops, gradientRounds, gradientLimit) = (inFP32, 0, 0, 0, .max)
    case .powersgd:
      let partition = Partition(table, ranks: ranksPerNode, nodes: spread, granularity: granularity)
      var (payloads, memory, flops) = (inFP32, 0, 0.0)
      for rank in 0..<ranksPerNode {
        let factors = table.blockIDs.flatMap { block in
          partition.pieces(of: block, rank: rank).compactMap { piece in
            settings.powersgd.rank(of: piece).map { LowRankFactors(piece, rank: $0) }
          }
        }
        let scratch = Arena.measure { space in space.overlaid(factors.map { factors in { factors.layOutScratch(&$0) } }) }
        memory = max(memory, scratch + factors.reduce(0) { $0 + 4 * ($1.pCount + 2 * $1.qCount) })
        for factors in factors {
          payloads[factors.piece.parameter.block.index] -= 4 * (factors.rows * factors.columns - factors.pCount - factors.qCount)
          // Four products of M with a factor: P, Q, the node's own error, the sum.
          flops += 8 * Double(factors.rows) * Double(factors.columns) * Double(factors.rank)
        }
      }
      (self.payloads, self.memory, self.flops) = (payloads, memory, flops)
      (gradientRounds, gradientLimit) = (4 * levels, .max)
    }
    payload = payloads.reduce(0, +)
  }

  /// Bytes that each node sends, and receives, in an exchange: sums are reduced in parts and gathered again, which moves all parts but a
  /// node's own twice; where each node gets its rows alone, weights are gathered instead.
  package var sentAtOnce: Int { sent(payload) + sentWeights }
  /// The part of it that gradients are, by block.
  package var sentGradients: [Int] { payloads.map(sent) }
  /// The part of it that weights are.
  package var sentWeights: Int { gathered - gathered / nodes }
  private func sent(_ payload: Int) -> Int { (isScattered ? 1 : 2) * (payload - payload / nodes) }
  /// The same per step.
  package var sent: Int { sentAtOnce / steps }
  /// Share of the bytes that fp32 would take which is saved.
  package var compression: Double { payloadInFP32 == 0 ? 0 : 1 - Double(payload) / Double(payloadInFP32) }
}
