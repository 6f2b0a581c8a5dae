import Kernels
import Layers
import Optimization
import Parallel

/// Seconds of a training step, as they follow from what it has to do and from a cluster's rates. Those of a step with the mean of what
/// rounds of local updates take.
package struct StepTime: Encodable, Sendable, Equatable {
  /// Computing, on the rank with the most samples.
  package var forward, backward: Double
  /// Adding the gradients of the ranks of a node, after every micro-batch.
  package var nodeSum: Double
  /// Messages between nodes, if nothing else were done meanwhile.
  package var exchange: Double
  /// Compressing gradients and expanding the sums; 0 unless the exchange is PowerSGD.
  package var compression: Double
  /// What the processor does for messages that travel while ranks compute.
  package var processing: Double
  /// The part of `exchange` for which ranks wait: what does not travel while they compute.
  package var exposed: Double
  /// Optimizer, EMA, compute copy.
  package var update: Double

  package var total: Double { forward + backward + nodeSum + compression + processing + exposed + update }
}

/// The work of a training step, from which its time follows.
///
/// Computing is bound by GEMMs, sums and updates by memory, the exchange by the network or by what processors do for messages. Blocks finish
/// their backward pass one after the other; messages of a block travel while the next ones are computed.
struct StepTimeModel {
  let cluster: Cluster
  let precision: Precision
  let exchange: ExchangeCost
  /// Whether nodes train apart from each other, and exchange what they have learned between steps.
  let isLocal: Bool
  /// Samples, and micro-batches, of the rank with the most samples.
  let samples, microBatches: Int
  /// FLOPs of a sample: forward, and backward with what is recomputed.
  let forwardFLOPs, backwardFLOPs: Double
  /// Share of a pass's FLOPs that each block has, in the order of the table: that of its operands of GEMMs.
  let shares: [Double]
  /// Floats of each block, and of all.
  let floatCounts: [Int]
  let floatCount: Int
  /// Bytes per parameter and step that a node's memory moves in updates of what it keeps, and those of a round's end per step.
  let updateBytes: Double

  init(
    _ cluster: Cluster, _ table: ParameterTable, _ training: TrainingConfig, precision: Precision, exchange: ExchangeCost,
    state: [StateArray], flops: Double, recomputedFLOPs: Double
  ) {
    (self.cluster, self.precision, self.exchange) = (cluster, precision, exchange)
    isLocal = state.contains(OuterOptimizer.weights)
    samples = (training.batch + cluster.ranks - 1) / cluster.ranks
    microBatches = (samples + training.microBatch - 1) / training.microBatch
    (forwardFLOPs, backwardFLOPs) = (flops / 3, flops * 2 / 3 + recomputedFLOPs)
    let operands = table.blocks.map { block in Double(block.parameters.reduce(0) { $0 + ($1.role.isOperand ? $1.count : 0) }) }
    let sum = operands.reduce(0, +)
    shares = operands.map { sum == 0 ? 1 / Double(operands.count) : $0 / sum }
    (floatCounts, floatCount) = (table.blocks.map(\.count), table.floatCount)
    updateBytes = Self.updateBytes(training, state: state, precision: precision, roundSteps: exchange.steps)
  }

  /// The gradient is read for its norm and for the update; weights and state arrays are read and written; the compute copy is written,
  /// for which caches read it first. The outer optimizer reads weights and outer weights and writes their difference, and later reads its
  /// sum, and reads and writes all three.
  private static func updateBytes(
    _ training: TrainingConfig, state: [StateArray], precision: Precision, roundSteps: Int
  ) -> Double {
    let copy = precision == .bf16 ? 4.0 : 0
    return state.reduce(2 * 4 + 2 * 4 + copy) { bytes, array in
      switch array {
      case let array where array.isEMA: bytes + 2 * Double(array.elementType.size) / Double(max(1, training.ema.every))
      case OuterOptimizer.weights: bytes + (3 * 4 + 4 + 4 * 4 + copy) / Double(roundSteps)
      case OuterOptimizer.momentum: bytes + 2 * 4 / Double(roundSteps)
      default: bytes + 2 * Double(array.elementType.size)
      }
    }
  }

  /// Seconds of a rank's samples: it has its share of the node's speed.
  private func computing(_ flopsPerSample: Double) -> Double {
    Double(samples) * flopsPerSample * Double(cluster.ranksPerNode) / cluster.speed(precision)
  }

  var time: StepTime {
    let (forward, backward) = (computing(forwardFLOPs), computing(backwardFLOPs))
    let nodeSum = cluster.ranksPerNode == 1 ? 0 : Double(microBatches) * 4 * Double(floatCount) / cluster.machine.allReduce!
    let (gradients, weights) = (gradientTransfers, weightTransfers)
    let (passes, steps) = (Double(microBatches), Double(exchange.steps))
    let messages = (gradients + weights).reduce(0, +) / steps
    let hidden =
      isLocal
      ? 0
      : Self.hidden(computing: shares.reversed().map { $0 * backward / passes }, transfers: gradients.reversed())
        + Self.hidden(computing: shares.map { $0 * forward / passes }, needed: weights)
    let processing =
      messages == 0
      ? 0 : hidden / messages * (cluster.network?.processingSeconds(Double(exchange.sent), ranksPerNode: cluster.ranksPerNode) ?? 0)
    return StepTime(
      forward: forward, backward: backward, nodeSum: nodeSum, exchange: messages,
      compression: exchange.flops / (cluster.machine.fp32 * (cluster.efficiency ?? Cluster.defaultEfficiency(.fp32))) / steps,
      processing: processing, exposed: messages - hidden,
      update: updateBytes * Double(floatCount) / Double(exchange.spread) / cluster.machine.memory)
  }

  // MARK: Messages

  /// Seconds of each block's gradients on an idle link.
  private var gradientTransfers: [Double] {
    zip(exchange.sentGradients, floatCounts).map { bytes, count in
      let waves = (count / cluster.ranksPerNode - 1) / exchange.gradientLimit + 1
      return transfer(Double(bytes), latencies: exchange.gradientRounds * waves)
    }
  }

  /// Seconds of each block's weights on an idle link; none where every node has them.
  private var weightTransfers: [Double] {
    if exchange.weightRounds == 0 { return [] }
    return floatCounts.map { count in
      let share = Double(count) / Double(floatCount)
      let waves = Int(Double(exchange.gathered) * share) / cluster.ranksPerNode / exchange.weightLimit + 1
      return transfer(Double(exchange.sentWeights) * share, latencies: exchange.weightRounds * waves)
    }
  }

  private func transfer(_ bytes: Double, latencies: Int) -> Double {
    guard let network = cluster.network else { return 0 }
    return network.seconds(bytes, ranksPerNode: cluster.ranksPerNode) + Double(latencies) * network.latency
  }

  /// Seconds of messages that travel while blocks are computed, each block's after it. They advance whenever a kernel is done.
  ///
  /// - Parameters:
  ///   - computing: seconds of each block, in the order in which they are computed.
  ///   - transfers: seconds of each block's messages on an idle link.
  static func hidden(computing: [Double], transfers: [Double]) -> Double {
    var (travelling, hidden) = (0.0, 0.0)
    for (seconds, transfer) in zip(computing, transfers) {
      let travelled = min(travelling, seconds)
      travelling += transfer - travelled
      hidden += travelled
    }
    return hidden
  }

  /// The same of messages that a pass needs, each block's before it, and that come in this order.
  ///
  /// - Parameter needed: seconds of each block's messages on an idle link; none where nothing is needed.
  static func hidden(computing: [Double], needed: [Double]) -> Double {
    let all = needed.reduce(0, +)
    var (begun, arrived, hidden) = (0.0, 0.0, 0.0)
    for (seconds, transfer) in zip(computing, needed) {
      begun += transfer
      // The block waits for what has not arrived.
      arrived = max(arrived, begun)
      let travelled = max(0, min(seconds, all - arrived))
      arrived += travelled
      hidden += travelled
    }
    return hidden
  }
}
