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
  /// Bytes of weights that are on their way to a rank at a time, at most.
  package let weightLimit: Int
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
    // Of a rank's gradients: all, those that an exchange has at a time, and those that may be under way.
    let owned = 4 * (table.floatCount + ranksPerNode - 1) / ranksPerNode
    let longest = 4 * (table.blocks.map(\.count).max() ?? 0) / ranksPerNode
    let posted = settings.localUpdates > 0 ? longest : owned
    let byteLimit = MessageWindow.byteLimit(table, ranksPerNode: ranksPerNode)
    weightLimit = byteLimit
    func sums(_ total: Int) -> Int { MessageWindow.sumBytes(total: total, byteLimit: byteLimit, nodes: nodes) }
    switch settings.format {
    case .fp32:
      (payloads, flops, gradientLimit) = (inFP32, 0, byteLimit / 4)
      gradientRounds = isScattered ? levels : 2 * levels
      memory =
        isScattered ? ScatteredExchange.byteCount(total: posted, byteLimit: byteLimit, nodes: nodes) : sums(posted)
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
    case .powersgd where nodes == 1: (payloads, memory, flops, gradientRounds, gradientLimit) = (inFP32, 0, 0, 0, byteLimit / 4)
    case .powersgd:
      let partition = Partition(table, ranks: ranksPerNode, nodes: spread, granularity: granularity)
      var (payloads, memory, flops) = (inFP32, 0, 0.0)
      for rank in 0..<ranksPerNode {
        let blocks = table.blockIDs.map { partition.pieces(of: $0, rank: rank) }
        let cost = CompressedBlock.cost(of: blocks, settings.powersgd)
        // In some steps all is sent as it is, in the others P, Q, and what has none.
        let rest = owned - min(owned, cost.covered)
        let sums = max(sums(owned), sums(rest) + sums(cost.first) + sums(cost.second))
        memory = max(memory, cost.scratch + cost.first + 2 * cost.second + sums)
        for (block, pieces) in blocks.enumerated() {
          let cost = CompressedBlock.cost(of: [pieces], settings.powersgd)
          payloads[block] -= cost.saved
          flops += cost.flops
        }
      }
      (self.payloads, self.memory, self.flops) = (payloads, memory, flops)
      (gradientRounds, gradientLimit) = (4 * levels, byteLimit / 4)
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
