import Kernels
import Layers
import Memory
import Optimization

/// What an exchange takes of network and memory; known before anything is allocated.
package struct ExchangeCost: Sendable {
  package let nodes: Int
  /// Bytes of a node's gradients as they travel in an exchange; and as they would in fp32.
  package let payload, payloadInFP32: Int
  /// Bytes of the weights that nodes gather after an update.
  package let gathered: Int
  /// Over how many nodes weights and state are spread.
  package let spread: Int
  /// Whether each node gets the sums of its rows alone.
  private let isScattered: Bool
  /// From one exchange to the next: 1, or a round of local updates.
  package let steps: Int
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
    switch settings.format {
    case .fp32: (payload, memory) = (payloadInFP32, 0)
    case .bf16:
      payload = payloadInFP32 / 2
      let floatCount = table.floatCount / ranksPerNode
      memory =
        isScattered
        ? RoundedScatteredExchange.byteCount(floatCount: floatCount, nodes: nodes)
        : RoundedExchange.byteCount(floatCount: floatCount, nodes: nodes)
    case .powersgd where nodes == 1: (payload, memory) = (payloadInFP32, 0)
    case .powersgd:
      let partition = Partition(table, ranks: ranksPerNode, nodes: spread, granularity: granularity)
      var (saved, memory) = (0, 0)
      for rank in 0..<ranksPerNode {
        let factors = table.blockIDs.flatMap { block in
          partition.pieces(of: block, rank: rank).compactMap { piece in
            settings.powersgd.rank(of: piece).map { LowRankFactors(piece, rank: $0) }
          }
        }
        let scratch = Arena.measure { space in space.overlaid(factors.map { factors in { factors.layOutScratch(&$0) } }) }
        memory = max(memory, scratch + factors.reduce(0) { $0 + 4 * ($1.pCount + 2 * $1.qCount) })
        saved += factors.reduce(0) { $0 + 4 * ($1.rows * $1.columns - $1.pCount - $1.qCount) }
      }
      (payload, self.memory) = (payloadInFP32 - saved, memory)
    }
  }

  /// Bytes that each node sends, and receives, in an exchange: sums are reduced in parts and gathered again, which moves all parts but a
  /// node's own twice; where each node gets its rows alone, weights are gathered instead.
  package var sentAtOnce: Int { (isScattered ? 1 : 2) * (payload - payload / nodes) + gathered - gathered / nodes }
  /// The same per step.
  package var sent: Int { sentAtOnce / steps }
  /// Share of the bytes that fp32 would take which is saved.
  package var compression: Double { payloadInFP32 == 0 ? 0 : 1 - Double(payload) / Double(payloadInFP32) }
}
