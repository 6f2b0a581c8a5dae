import Foundation
import Layers
import Optimization
import Parallel

/// What checkpoints take on a cluster, and how often to take them.
package struct CheckpointTime: Encodable, Sendable, Equatable {
  /// Bytes of one on disk.
  package let byteCount: Int
  /// Seconds until it is on disk.
  package let seconds: Double
  /// Seconds of them for which training waits: the coordinator collects what other nodes keep, and weights must not change before they are
  /// written.
  package let waited: Double
  /// Seconds of training from one to the next that lose least time to checkpoints and to failures together, after Young and Daly:
  /// √(2 · seconds of a checkpoint · mean seconds from one failure of any node to the next).
  package let interval: Double
  /// The same in steps: `checkpointEvery`.
  package let every: Int
  /// Share of the time that is lost at that interval: waiting for checkpoints, and, per failure, half an interval of training and the
  /// checkpoint that was not complete yet.
  package let lost: Double

  /// - Parameters:
  ///   - state: arrays beside the weights.
  ///   - isLocal: whether nodes train apart from each other.
  init(
    _ cluster: Cluster, parameters: Int, state: [StateArray], isLocal: Bool, spread: Int, step: StepTime
  ) {
    let bytes = NodeParameterStore.bytesPerParameter(state, isLocal: isLocal)
    let (common, own) = (Double(parameters) * Double(bytes.common), Double(parameters) * Double(bytes.own))
    let nodes = Double(cluster.nodes)
    // Where nodes have the same, all that is not of its own is written by the first node alone, from its own memory.
    let size = common + own * (isLocal ? nodes : 1)
    let collected = isLocal ? own * (nodes - 1) : spread > 1 ? size : 0
    let summed = Double(parameters) * Double(state.reduce(0) { $0 + ($1.placement == .summed ? $1.elementType.size : 0) })
    let streamed = (isLocal ? collected : spread > 1 ? (size - summed) * (nodes - 1) / nodes : 0) + (nodes > 1 ? summed : 0)
    let arrival = cluster.network?.seconds(streamed, ranksPerNode: 1) ?? 0
    byteCount = Int(min(size, 9e18))
    seconds = size / cluster.storage + arrival
    // The rest is written on a thread, until the next update.
    waited = arrival + collected / cluster.storage + max(0, (size - collected) / cluster.storage - (step.total - step.update))
    interval = (2 * seconds * cluster.secondsBetweenFailures).squareRoot()
    every = max(1, Int(min((interval / step.total).rounded(), 1e9)))
    lost = waited / interval + (interval / 2 + seconds) / cluster.secondsBetweenFailures
  }
}
