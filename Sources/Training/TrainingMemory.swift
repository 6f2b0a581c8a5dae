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
  /// Bytes of each rank: its part of the batches that are loaded at a time.
  package let batches: Int
  /// Bytes of each rank: its ring of gradients and the sums of the rows that it owns.
  package let gradients: Int
  /// Bytes of each rank: messages to other nodes.
  package let exchange: Int
  /// Of each rank: the program and its libraries.
  package let process: ProcessMemory
  /// Bytes of the node: weights, their compute copies, optimizer state, EMA, errors of compressed gradients, outer weights and momentum.
  package let shared: Int
  /// Bytes of the coordinator's node: to make images of samples, for people.
  package let samples: Int
  package let ranksPerNode: Int
  /// Blocks whose gradients a rank holds at a time.
  package let gradientBlocks: Int

  /// - Parameters:
  ///   - state: arrays beside the weights.
  ///   - activations: bytes of one rank's.
  ///   - batches: bytes of one rank's.
  ///   - exchange: bytes of one rank's.
  ///   - samples: bytes, of the coordinator.
  ///   - process: of one rank.
  ///   - spread: over how many nodes weights and state are spread.
  ///   - gradientBlocks: as configured; 0 for as many as fit.
  ///   - available: bytes that the node can give; nil where that is not known.
  package init(
    _ table: ParameterTable, state: [StateArray], precision: Precision, activations: Int, batches: Int, exchange: Int,
    samples: Int, process: ProcessMemory, spread: Int, ranksPerNode: Int, gradientBlocks: Int, available: Int?
  ) {
    let values = table.floatCount
    // In bf16 the weights have a compute copy, and so has what is evaluated in their place: the EMA, unless it is kept in bf16, or the
    // outer weights.
    let evaluated = state.first(where: \.isEMA) ?? state.first { $0 == OuterOptimizer.weights }
    let copies = precision == .bf16 ? 2 * values * (evaluated?.elementType == .fp32 ? 2 : 1) : 0
    let kept = (values + spread - 1) / spread
    // Of weights that are read, a node has other rows in fp32, too, where models read them so.
    let readInFP32 = table.parameters.reduce(0) { $0 + ($1.isReadInFP32 || precision == .fp32 ? $1.count : 0) }
    let read = 4 * (kept + readInFP32 - readInFP32 / spread)
    let shared = state.reduce(read + copies) { bytes, array in
      switch array {
      case let array where array.isEMA && array.elementType == .fp32: bytes + read
      // Read in its place, with what other nodes keep; what models read in fp32 is widened.
      case let array where array.isEMA: bytes + 2 * (precision == .bf16 ? values : kept) + 4 * readInFP32
      case let array where array.placement == .summed: bytes + values * array.elementType.size
      default: bytes + kept * array.elementType.size
      }
    }
    (self.shared, self.activations, self.batches, self.exchange) = (shared, activations, batches, exchange)
    (self.samples, self.process, self.ranksPerNode) = (samples, process, ranksPerNode)
    func bytes(_ blocks: Int) -> Int { GradientReducer.byteCount(table, ranksPerNode: ranksPerNode, blocks: blocks) }
    // A tenth is left to the system and the data.
    let budget =
      available.map { ($0 / 10 * 9 - shared - samples) / ranksPerNode - activations - batches - exchange - process.later } ?? .max
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
  package var perRank: Int { activations + batches + gradients + exchange + process.byteCount }

  /// Bytes that one rank's part of the batches takes that are loaded at a time.
  ///
  /// - Parameter sampleBytes: of a loaded sample.
  static func batchBytes(_ training: TrainingConfig, ranks: Int, sampleBytes: Int) -> Int {
    (training.batch + ranks - 1) / ranks * sampleBytes * LoadedBatches.most
  }
  /// Bytes of a node.
  package var perNode: Int { ofNode(perRank) }
  /// Those of them that its processes have not taken yet.
  package var needed: Int { ofNode(perRank - process.held) }

  private func ofNode(_ perRank: Int) -> Int {
    let (ranks, overflow) = ranksPerNode.multipliedReportingOverflow(by: perRank)
    let kept = shared + samples
    return overflow ? .max : kept.addingReportingOverflow(ranks).overflow ? .max : kept + ranks
  }

  /// Bytes that each process has yet to map.
  private var mapped: Int { shared + samples + perRank - process.held }

  /// Whether the node has that much, and a process may map its part.
  func fits(available: Int?, addressSpace: Int?) -> Bool {
    needed <= available ?? .max && mapped <= addressSpace ?? .max
  }

  /// Throws unless it fits.
  ///
  /// - Parameters:
  ///   - available: bytes of the node.
  ///   - addressSpace: bytes that a process may map; nil without a limit.
  ///   - advice: what to change.
  package func check(_ name: String, available: Int?, addressSpace: Int?, advice: () throws -> String) throws {
    let host = ProcessInfo.processInfo.hostName
    if let available, needed > available {
      throw problem(
        name, "\(Plan.scaled(needed)) of memory on \(host), of which \(Plan.scaled(available)) are available", try advice())
    }
    if let addressSpace, mapped > addressSpace {
      throw problem(
        name,
        "\(Plan.scaled(mapped)) of address space in each rank on \(host), of which its limit (ulimit -v) leaves \(Plan.scaled(addressSpace))",
        try advice())
    }
  }

  private func problem(_ name: String, _ need: String, _ advice: String) -> DalleError {
    DalleError(
      .unavailable,
      "training the \(name) needs \(need): \(Plan.scaled(shared)) for weights and optimizer state\(samples > 0 ? ", \(Plan.scaled(samples)) for sample images" : ""), and for each of "
        + "\(ranksPerNode) ranks \(Plan.scaled(activations)) for activations, \(Plan.scaled(batches)) for batches, "
        + "\(Plan.scaled(gradients + exchange)) for gradients and \(Plan.scaled(process.later)) for libraries. \(advice)")
  }
}

/// How many batches a rank holds at a time.
enum LoadedBatches {
  /// Loaded ahead, and waiting.
  static let waiting = 3
  /// Those, the one that is loaded, and the one that is computed with.
  static let most = waiting + 2
}

extension TrainingMemory {
  /// The memory of a model on this rank's node, checked against what is there before any of it is touched. Collective over the node.
  init<Task: TrainingTask>(
    _ task: Task, _ training: TrainingConfig, state: [StateArray], grid: ProcessGrid, exchange: ExchangeCost, gradientBlocks: Int
  ) throws {
    let node = grid.node
    var least = [AvailableMemory.byteCount ?? .max]
    try node.allReduce(&least, .minimum)
    var most = [task.activationBytes]
    try node.allReduce(&most, .maximum)
    let available = least[0] == .max ? nil : least[0]
    self.init(
      task.table, state: state, precision: task.precision, activations: most[0],
      batches: Self.batchBytes(training, ranks: grid.world.size, sampleBytes: task.sampleBytes), exchange: exchange.memory,
      samples: training.sampleEvery > 0 && grid.across.rank == 0 ? task.sampleImageBytes : 0,
      process: ProcessMemory(threads: threadCount), spread: exchange.spread, ranksPerNode: node.size,
      gradientBlocks: gradientBlocks,
      available: available)
    // The activations are allocated already.
    try check(task.name, available: available, addressSpace: AvailableMemory.addressSpace.map { $0 + task.activationBytes }) {
      "The start found more: see what else has taken memory since, or start fewer ranks per node"
    }
  }
}
