import Errors
import Foundation
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel

/// The memory that training a model takes on a node, and how many blocks of gradients fit into what is there.
package struct TrainingMemory: Sendable {
  /// Bytes of each rank: activations.
  package let activations: Int
  /// Bytes of each rank: its ring of gradients and the sums of the rows that it owns.
  package let gradients: Int
  /// Bytes of the node: weights, their compute copies, optimizer state, EMA.
  package let shared: Int
  package let ranksPerNode: Int
  /// Blocks whose gradients a rank holds at a time.
  package let gradientBlocks: Int

  /// - Parameters:
  ///   - state: arrays beside the weights.
  ///   - activations: bytes of one rank's.
  ///   - gradientBlocks: as configured; 0 for as many as fit.
  ///   - available: bytes that the node can give; nil where that is not known.
  package init(
    _ table: ParameterTable, state: [StateArray], precision: Precision, activations: Int, ranksPerNode: Int, gradientBlocks: Int,
    available: Int?
  ) {
    let values = table.floatCount
    // In bf16 the weights and the EMA have a compute copy each.
    let copies = precision == .bf16 ? 2 * values * (state.contains(ExponentialMovingAverage.state) ? 2 : 1) : 0
    let shared = values * state.reduce(4) { $0 + $1.elementType.size } + copies
    (self.shared, self.activations) = (shared, activations)
    self.ranksPerNode = ranksPerNode
    func bytes(_ blocks: Int) -> Int { GradientReducer.byteCount(table, ranksPerNode: ranksPerNode, blocks: blocks) }
    // A tenth is left to the system, the data and what libraries take.
    let budget = available.map { ($0 / 10 * 9 - shared) / ranksPerNode - activations } ?? .max
    let blocks = gradientBlocks > 0 ? gradientBlocks : Self.mostBlocks(of: table) { bytes($0) <= budget }
    (self.gradientBlocks, gradients) = (blocks, bytes(blocks))
  }

  /// The largest number of blocks, from three to all, that `fits`.
  private static func mostBlocks(of table: ParameterTable, _ fits: (Int) -> Bool) -> Int {
    var (low, high) = (3, max(3, table.blocks.count))
    while low < high {
      let middle = (low + high + 1) / 2
      if fits(middle) { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// Bytes of one rank's own memory.
  package var perRank: Int { activations + gradients }
  /// Bytes of a node.
  package var perNode: Int {
    let (ranks, overflow) = ranksPerNode.multipliedReportingOverflow(by: perRank)
    return overflow ? .max : shared.addingReportingOverflow(ranks).overflow ? .max : shared + ranks
  }

  /// Throws unless the node has that much.
  package func check(_ name: String, available: Int?) throws {
    guard let available, perNode > available else { return }
    throw DalleError(
      .unavailable,
      "training the \(name) needs \(Plan.scaled(perNode)) of memory on \(ProcessInfo.processInfo.hostName), of which "
        + "\(Plan.scaled(available)) are available: \(Plan.scaled(shared)) for weights and optimizer state, and for each of "
        + "\(ranksPerNode) ranks \(Plan.scaled(activations)) for activations and \(Plan.scaled(gradients)) for gradients. Start fewer "
        + "ranks per node, or set \(name).training.microBatch lower, \(name).model.recompute: true or parallel.gradientBlocks: 3")
  }
}

extension TrainingMemory {
  /// The memory of a model on this rank's node, checked against what is there before any of it is touched. Collective over the node.
  init<Task: TrainingTask>(_ task: Task, state: [StateArray], node: Communicator, gradientBlocks: Int) throws {
    var least = [AvailableMemory.byteCount ?? .max]
    try node.allReduce(&least, .minimum)
    var most = [task.activationBytes]
    try node.allReduce(&most, .maximum)
    let available = least[0] == .max ? nil : least[0]
    self.init(
      task.table, state: state, precision: task.precision, activations: most[0], ranksPerNode: node.size,
      gradientBlocks: gradientBlocks, available: available)
    try check(task.name, available: available)
  }
}
