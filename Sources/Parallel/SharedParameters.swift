import Foundation
import Kernels
import Layers
import MPI
import Memory

/// The parameters of a model that several ranks train.
///
/// Weights, moments and averages exist once per node, in memory that its ranks share; every rank has its own gradient
/// there. Each rank owns a slice of every block: when all ranks of the node have finished a block's backward pass, it sums
/// its slice over their gradients in rank order, so that the bits do not depend on timing, and between nodes the owners of
/// the same slice sum what they have. The owner updates its slice of the shared weights.
///
/// A step: `beginStep`, forward and backward passes, `finishReduction`, the optimiser over `forEachOwnedSlice`,
/// `finishUpdate`.
public final class SharedParameters: ParameterStore {
  public let table: ParameterTable
  public let grid: ProcessGrid
  /// Names of the arrays beside the weights, in the order of `OwnedSlice.states`.
  public let stateNames: [String]
  /// Whether `backwardDone` hands gradients over; false for all micro-batches of a step but the last.
  public var publishes = true

  private let values: SharedWindow  // segment of node rank 0: weights, then each state
  private let roundedWindow: SharedWindow?  // segment of node rank 0: the weights in bf16
  private let gradientWindow: SharedWindow  // each rank's gradient, then one flag a block
  private let starts: [Int]
  private let flagStart: Int
  private var step: UInt64 = 0
  /// Blocks that this rank has published and not yet reduced, in backward order: the same order on all ranks.
  private var waiting: [BlockID] = []
  private var sums: [PendingSum] = []
  /// Floats that one sum between nodes moves at most: Open MPI is slow with larger ones.
  private static let pieceCount = 1 << 19

  /// - Parameter precision: for bf16 the weights are kept in that format, too.
  public init(_ table: ParameterTable, grid: ProcessGrid, states: [String], precision: Precision = .fp32) throws {
    self.table = table
    self.grid = grid
    stateNames = states
    var start = 0
    starts = table.blocks.map { block in
      defer { start += block.count }
      return start
    }
    let floats = table.floatCount
    values = try SharedWindow(grid.node, byteCount: grid.node.rank == 0 ? 4 * floats * (1 + states.count) : 0)
    roundedWindow =
      precision == .bf16 ? try SharedWindow(grid.node, byteCount: grid.node.rank == 0 ? 2 * floats : 0) : nil
    flagStart = 4 * floats
    gradientWindow = try SharedWindow(grid.node, byteCount: flagStart + 8 * table.blocks.count)
  }

  /// Gives all memory back. Collective; the last call.
  public func free() throws {
    try gradientWindow.free()
    try roundedWindow?.free()
    try values.free()
  }

  // MARK: What the model asks for

  public func weights(of block: BlockID) -> BlockValues { BlockValues(array(0, block), rounded: rounded(block)) }
  public func gradients(of block: BlockID) -> BlockValues { BlockValues(gradient(of: block, rank: grid.node.rank)) }

  public func backwardDone(_ block: BlockID) throws {
    guard publishes else { return }
    flag(block, rank: grid.node.rank).publish(step)
    waiting.append(block)
    try reduceReadyBlocks()
  }

  // MARK: A step

  /// Starts a step; gradients are zero.
  public func beginStep() {
    precondition(waiting.isEmpty && sums.isEmpty, "a step began before the last one's reduction was finished")
    step += 1
  }

  /// For a rank that has no samples in this step: its zero gradients count as finished.
  public func publishNothing() throws {
    publishes = true
    for block in table.blockIDs.reversed() { flag(block, rank: grid.node.rank).publish(step) }
    waiting = table.blockIDs.reversed()
    try reduceReadyBlocks()
  }

  /// Waits until this rank's slices hold the gradient summed over all ranks.
  public func finishReduction() throws {
    while !waiting.isEmpty {
      try reduceReadyBlocks()
      if waiting.isEmpty { break }
      for sum in sums { _ = try sum.test() }
      yieldCore()
    }
    for sum in sums { try sum.wait() }
    sums = []
  }

  /// Squared norm of the whole gradient: the same number on every rank.
  public func globalSumOfSquares() throws -> Double {
    var mine = 0.0
    forEachOwnedSlice { mine += sumOfSquares($0.gradient) }
    // Every node holds the same sums; adding in rank order gives every rank the same bits.
    return try grid.node.allGather(mine).reduce(0, +)
  }

  /// One rank's slice of a block. `range` counts floats within the block.
  public struct OwnedSlice {
    public let block: BlockID
    public let range: Range<Int>
    public let weights: Vector
    /// The weights in bf16, where they are kept.
    public let rounded: VectorView<BFloat16>?
    public let gradient: Vector
    public let states: [Vector]
  }

  public func forEachOwnedSlice(_ body: (OwnedSlice) -> Void) {
    for block in table.blockIDs {
      let range = slice(of: block, rank: grid.node.rank)
      if range.isEmpty { continue }
      body(
        OwnedSlice(
          block: block, range: range, weights: array(0, block)[range], rounded: rounded(block)?[range],
          gradient: gradient(of: block, rank: grid.node.rank)[range],
          states: stateNames.indices.map { array(1 + $0, block)[range] }))
    }
  }

  /// Waits until all ranks of the node have updated, and clears this rank's gradient for the next step.
  public func finishUpdate() throws {
    try grid.node.barrier()
    Vector(pointer(gradientWindow, grid.node.rank), count: table.floatCount).fill(0)
  }

  // MARK: Start, check, views

  /// Start values from the seed; averages start as the weights, other states as zero.
  public func initialize(seed: UInt64, averages: [String] = []) throws {
    // Ranks take equal parts, by floats.
    for block in table.blockIDs where starts[block.index] * grid.node.size / table.floatCount == grid.node.rank {
      table.initialize(block, into: weights(of: block), seed: seed)
      for (index, name) in stateNames.enumerated() where averages.contains(name) {
        array(1 + index, block).copy(from: weights(of: block).values)
      }
    }
    try grid.node.barrier()
    try roundWeights()
  }

  /// Rounds the weights again after they were changed from outside. Collective over the node.
  public func roundWeights() throws {
    forEachOwnedSlice { slice in
      if let rounded = slice.rounded { round(slice.weights, into: rounded) }
    }
    try grid.node.barrier()
  }

  /// One of the states in place of the weights, as it is now, to compute with but not to train.
  public func view(of state: String) -> any ParameterStore { StateView(self, state, isRounded: roundedWindow != nil) }

  /// A block of the weights (nil) or of a state, for the whole node.
  public func values(_ state: String?, _ block: BlockID) -> BlockValues {
    BlockValues(array(state.map { 1 + stateNames.firstIndex(of: $0)! } ?? 0, block))
  }

  /// Throws unless all nodes hold the same weights.
  public func verifyEqualWeights() throws {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    forEachOwnedSlice { slice in
      for i in 0..<slice.weights.count {
        hash = (hash ^ UInt64(slice.weights[i].bitPattern)) &* 0x100_0000_01B3
      }
    }
    let hashes = try grid.across.allGather(hash)
    let different = hashes.indices.filter { hashes[$0] != hashes[0] }
    var anywhere = [different.count]
    try grid.world.allReduce(&anywhere, .maximum)
    guard anywhere[0] == 0 else {
      throw GridError(
        description: "the weights differ between nodes"
          + (different.isEmpty ? "" : ": nodes \(different.map(String.init).joined(separator: ", ")) from node 0"))
    }
  }

  // MARK: Where things lie

  /// Slices are whole runs of 16 floats, one cache line.
  private func slice(of block: BlockID, rank: Int) -> Range<Int> {
    let units = ProcessGrid.share(of: table[block].count / 16, rank: rank, ranks: grid.node.size)
    return units.lowerBound * 16..<units.upperBound * 16
  }

  private func array(_ index: Int, _ block: BlockID) -> Vector {
    Vector(pointer(values, 0) + index * table.floatCount + starts[block.index], count: table[block].count)
  }

  private func rounded(_ block: BlockID) -> VectorView<BFloat16>? {
    roundedWindow.map {
      VectorView($0.segments[0].assumingMemoryBound(to: BFloat16.self) + starts[block.index], count: table[block].count)
    }
  }

  private func gradient(of block: BlockID, rank: Int) -> Vector {
    Vector(pointer(gradientWindow, rank) + starts[block.index], count: table[block].count)
  }

  private func flag(_ block: BlockID, rank: Int) -> SharedFlag {
    let flags = (gradientWindow.segments[rank] + flagStart).assumingMemoryBound(to: UInt64.self)
    return SharedFlag(flags + block.index)
  }

  private func pointer(_ window: SharedWindow, _ rank: Int) -> UnsafeMutablePointer<Float> {
    window.segments[rank].assumingMemoryBound(to: Float.self)
  }

  // MARK: Reduction

  /// Reduces the blocks that every rank of the node has finished, oldest first, without waiting for the others.
  private func reduceReadyBlocks() throws {
    while let block = waiting.first {
      guard (0..<grid.node.size).allSatisfy({ flag(block, rank: $0).value == step }) else { return }
      waiting.removeFirst()
      let range = slice(of: block, rank: grid.node.rank)
      if grid.node.size > 1 {
        sumInOrder((0..<grid.node.size).map { gradient(of: block, rank: $0)[range] }, into: grid.node.rank)
      }
      guard grid.nodeCount > 1 else { continue }
      let mine = gradient(of: block, rank: grid.node.rank)[range]
      for first in stride(from: 0, to: mine.count, by: Self.pieceCount) {
        sums.append(
          try grid.across.startSum(mine.base + first, count: min(Self.pieceCount, mine.count - first), owner: gradientWindow))
      }
    }
  }
}

/// Weights taken from a state of `SharedParameters`.
private final class StateView: ParameterStore {
  private let parameters: SharedParameters
  private let state: String
  /// This rank's own copy in bf16.
  private let rounded: [Buffer<BFloat16>]
  var table: ParameterTable { parameters.table }

  init(_ parameters: SharedParameters, _ state: String, isRounded: Bool) {
    self.parameters = parameters
    self.state = state
    rounded =
      isRounded
      ? parameters.table.blockIDs.map { block in
        let values = parameters.values(state, block).values
        let buffer = Buffer<BFloat16>(count: values.count)
        round(values, into: buffer.vector)
        return buffer
      } : []
  }

  func weights(of block: BlockID) -> BlockValues {
    BlockValues(parameters.values(state, block).values, rounded: rounded.isEmpty ? nil : rounded[block.index].vector)
  }
  func gradients(of block: BlockID) -> BlockValues { preconditionFailure("averaged weights have no gradients") }
  func backwardDone(_ block: BlockID) {}
}

/// Overwrites vector `target` with the sum of all, added in order.
func sumInOrder(_ vectors: [Vector], into target: Int) {
  let count = vectors[target].count
  var i = 0
  // All vectors are whole runs of 16 floats. Cache-sized pieces, so that the running sum stays close.
  while i < count {
    let end = min(i + 2048, count)
    withUnsafeTemporaryAllocation(of: SIMD16<Float>.self, capacity: 128) { sum in
      for (order, vector) in vectors.enumerated() {
        var lane = 0
        for j in stride(from: i, to: end, by: 16) {
          let value = UnsafeRawPointer(vector.base + j).loadUnaligned(as: SIMD16<Float>.self)
          sum[lane] = order == 0 ? value : sum[lane] + value
          lane += 1
        }
      }
      var lane = 0
      for j in stride(from: i, to: end, by: 16) {
        UnsafeMutableRawPointer(vectors[target].base + j).storeBytes(of: sum[lane], as: SIMD16<Float>.self)
        lane += 1
      }
    }
    i = end
  }
}

/// Sum of squares in Double, of a whole number of runs of 16 floats.
private func sumOfSquares(_ vector: Vector) -> Double {
  var low = SIMD8<Double>.zero
  var high = SIMD8<Double>.zero
  for i in stride(from: 0, to: vector.count, by: 16) {
    let v = UnsafeRawPointer(vector.base + i).loadUnaligned(as: SIMD16<Float>.self)
    let a = SIMD8<Double>(v.lowHalf)
    let b = SIMD8<Double>(v.highHalf)
    low += a * a
    high += b * b
  }
  return (low + high).sum()
}
