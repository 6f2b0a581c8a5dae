import Errors
import Kernels
import Layers
import MPI
import Memory
import Monitoring

/// Turns the gradients of all ranks into one.
///
/// A rank fills its ring block by block, in backward order. When all ranks of the node that have a micro-batch have filled a block,
/// each owner adds its rows over their rings into its accumulator, in rank order, so that bits do not depend on timing; then the
/// place is free for a later block. After the last micro-batch, owners of the same rows on other nodes sum theirs, as their
/// `GradientExchange` does, unless nodes train apart. A rank that is alone on its node owns everything: its ring is its accumulator.
///
/// A step: `beginStep`, then for each micro-batch `buffer(for:)` and `markReady` for every block in reverse order of the table,
/// then `finish`; then `exchange` has the norm, and the sums of a block once it is completed.
package final class GradientReducer {
  /// How far a block's gradient is in a step, on this rank as an owner.
  package enum BlockState: Int, Comparable, Sendable {
    /// Some micro-batch is not added yet.
    case filling
    case summedInNode
    case summingBetweenNodes
    case done
    package static func < (a: BlockState, b: BlockState) -> Bool { a.rawValue < b.rawValue }
  }

  private let table: ParameterTable
  private let grid: ProcessGrid
  private let clock: PhaseClock
  private let ring: GradientRing
  private let rings: NodeMemory
  /// Free for other sums between steps.
  let owned: OwnedGradients
  /// Those whose gradients are summed: one of each node, or this rank alone.
  private let across: Communicator
  package let exchange: any GradientExchange
  private let overlaps: Bool

  /// Micro-batches of each rank of the node in this step.
  private var microBatches: [Int] = []
  private var places: [GradientRing.Place] = []
  /// Blocks of earlier steps: the counters in shared memory never go back.
  private var base: UInt64 = 0
  /// Blocks of this step that this rank has filled, and those whose owned rows it has added.
  private var filled = 0
  private var added = 0
  /// Whether the block that is next to be filled has its buffer.
  private var isOpen = false
  private var isProgressing = false
  /// Blocks that are summed in the node, and whose sum between nodes has not begun.
  private var held: [BlockID] = []
  private var states: [BlockState]

  /// Bytes before a rank's ring: two counters, a cache line each.
  private static let headerBytes = 128

  /// Collective.
  ///
  /// - Parameters:
  ///   - blocks: consecutive blocks whose gradients a rank holds at a time; see `GradientRing`.
  ///   - exchange: how nodes sum theirs.
  ///   - errors: the array of the exchange's state, if it has one.
  ///   - overlaps: false holds sums between nodes back until all backward passes are done: to measure what that costs.
  /// - Throws: an error of kind `software` if the ranks' models differ; so do all methods for a block out of its turn, since sums over
  ///   different blocks would be wrong.
  package init(
    _ table: ParameterTable, grid: ProcessGrid, partition: Partition, blocks: Int,
    exchange: ExchangeSettings = ExchangeSettings(), errors: NodeArray<Float>? = nil, overlaps: Bool = true,
    clock: PhaseClock = PhaseClock()
  ) throws {
    (self.table, self.grid, self.clock) = (table, grid, clock)
    ring = GradientRing(table, blocks: blocks)
    states = Array(repeating: .done, count: table.blocks.count)
    owned = OwnedGradients(
      table, partition: partition, rank: grid.node.rank, node: partition.nodes == 1 ? 0 : grid.across.rank)
    self.overlaps = overlaps
    try Self.checkEqualModels(table, grid.world)
    let byteLimit = MessageWindow.byteLimit(table, ranksPerNode: grid.node.size)
    if exchange.localUpdates > 0 {
      across = try grid.across.split(color: grid.across.rank, key: 0)
      self.exchange = try SumExchange(owned, across: across, byteLimit: byteLimit)
    } else {
      across = grid.across
      self.exchange = try exchange.make(owned, across: across, errors: errors, byteLimit: byteLimit, clock: clock)
    }
    let isAlone = grid.node.size == 1
    rings = try NodeMemory(grid.node, byteCount: Self.headerBytes + (isAlone ? 0 : 4 * ring.floatCount))
  }

  /// Bytes that one rank's gradients take: its ring and its accumulators.
  package static func byteCount(_ table: ParameterTable, ranksPerNode: Int, blocks: Int) -> Int {
    let accumulators = (table.floatCount + ranksPerNode - 1) / ranksPerNode
    return 4 * (accumulators + (ranksPerNode == 1 ? 0 : GradientRing.floatCount(table, blocks: blocks)))
  }

  private static func checkEqualModels(_ table: ParameterTable, _ world: Communicator) throws {
    let counts = [table.blocks.count, table.floatCount]
    for (name, count) in zip(["blocks", "floats"], counts) {
      let all = try world.allGather(count)
      if let other = all.first(where: { $0 != all[0] }) {
        throw DalleError(.software, "the ranks train models of \(all[0]) and \(other) \(name)")
      }
    }
  }

  // MARK: A step

  /// Begins a step in which this rank has `microBatches` micro-batches, 0 where it has no samples. Collective over the node.
  ///
  /// - Parameter isCompressing: false asks for sums as exact as in fp32, of an exchange that can choose.
  package func beginStep(microBatches count: Int, isCompressing: Bool = true) throws {
    precondition(states.allSatisfy { $0 == .done }, "a step began before the last one's gradients were finished")
    base += UInt64(places.count)
    let before = microBatches
    // Nobody reads a ring any more when all ranks have come here.
    microBatches = try grid.node.allGather(count)
    // With no samples on the whole node there is one round, to which nobody adds.
    let rounds = max(1, microBatches.max()!)
    if microBatches != before { places = ring.places(rounds: rounds) }
    (filled, added, isOpen) = (0, 0, false)
    states = Array(repeating: .filling, count: table.blocks.count)
    if grid.node.size == 1 { owned.fill(0) }
    exchange.beginStep(isCompressing: isCompressing)
  }

  /// Zeroed room for the gradient of `block`, the next one of this rank's backward pass; the same until `markReady`. Waits while
  /// other ranks still read what lay there.
  package func buffer(for block: BlockID) throws -> Vector {
    try checkOrder(block)
    guard grid.node.size > 1 else { return owned.whole(block) }
    let place = places[filled]
    let vector = ringValues(of: grid.node.rank, place.range)
    if isOpen { return vector }
    if let predecessor = place.predecessor {
      let needed = base + UInt64(predecessor) + 1
      try clock.measure(.wait) {
        while !(0..<grid.node.size).allSatisfy({ addedCounter($0).value >= needed }) {
          try progress()
          yieldCore()
        }
      }
    }
    vector.fill(0)
    isOpen = true
    return vector
  }

  /// This rank's gradient of `block` is complete for the micro-batch; its buffer is not the caller's any more.
  package func markReady(_ block: BlockID) throws {
    _ = try buffer(for: block)
    filled += 1
    isOpen = false
    filledCounter(grid.node.rank).publish(base + UInt64(filled))
    try progress()
  }

  /// Waits until the gradient of this rank's rows is summed over all ranks, or over those of the node.
  package func finish() throws {
    guard filled == microBatches[grid.node.rank] * ring.order.count else {
      throw DalleError(.software, "a step ended before the block \(name(ring.order[filled % ring.order.count])) was finished")
    }
    try clock.measure(.wait) {
      while added < places.count {
        try progress()
        if added < places.count { yieldCore() }
      }
      if across.size > 1 {
        let arrival = try across.iBarrier()
        while try !arrival.test() {
          _ = try exchange.advance()
          yieldCore()
        }
      }
    }
    try clock.measure(.communicate) {
      for block in held { try exchange.start(block) }
      while try !exchange.advance() { yieldCore() }
    }
    held = []
    states = Array(repeating: .done, count: states.count)
  }

  /// The owned floats `range` of a block, which `exchange` has completed: summed over all ranks.
  package func gradient(of block: BlockID, _ range: Range<Int>) -> Vector { owned.vector(block, range) }

  package func state(of block: BlockID) -> BlockState { states[block.index] }

  // MARK: Progress

  /// Adds the blocks that all ranks of the node have filled, oldest first, without waiting for others, and lets sums between nodes
  /// advance: Open MPI does nothing by itself. Called by kernels that it calls itself, it does nothing.
  func progress() throws {
    if isProgressing { return }
    isProgressing = true
    defer { isProgressing = false }
    while added < places.count {
      let (round, index) = added.quotientAndRemainder(dividingBy: ring.order.count)
      let ranks = microBatches.indices.filter { microBatches[$0] > round }
      let needed = base + UInt64(added) + 1
      guard ranks.allSatisfy({ filledCounter($0).value >= needed }) else { break }
      let block = ring.order[index]
      if grid.node.size > 1 {
        clock.measure(.communicate) { add(block, of: ranks, at: places[added].range.lowerBound, isFirst: round == 0) }
      }
      added += 1
      addedCounter(grid.node.rank).publish(base + UInt64(added))
      if added > places.count - ring.order.count { try summedInNode(block) }
    }
    _ = try exchange.advance()
  }

  /// Adds the owned rows of a block over the rings of `ranks`, in their order.
  private func add(_ block: BlockID, of ranks: [Int], at start: Int, isFirst: Bool) {
    for range in owned.ranges(of: block) {
      let sources = ranks.map { ringValues(of: $0, start + range.lowerBound..<start + range.upperBound) }
      sum(sources, into: owned.vector(block, range), isFirst ? .overwrite : .accumulate)
    }
  }

  /// The node's last micro-batch is added.
  private func summedInNode(_ block: BlockID) throws {
    states[block.index] = .summedInNode
    guard overlaps else { return held.append(block) }
    states[block.index] = .summingBetweenNodes
    try clock.measure(.communicate) { try exchange.start(block) }
  }

  private func checkOrder(_ block: BlockID) throws {
    let expected = ring.order[filled % ring.order.count]
    guard filled < microBatches[grid.node.rank] * ring.order.count else {
      throw DalleError(
        .software,
        "the block \(name(block)) has a gradient after the last of \(microBatches[grid.node.rank]) micro-batches")
    }
    guard block == expected else {
      throw DalleError(
        .software,
        "the block \(name(block)) has a gradient where that of \(name(expected)) is due; backward passes finish blocks in reverse order"
      )
    }
  }

  private func name(_ block: BlockID) -> String { "`\(table[block].name)`" }

  // MARK: Shared memory

  private func ringValues(of rank: Int, _ range: Range<Int>) -> Vector {
    let floats = (rings.segments[rank] + Self.headerBytes).assumingMemoryBound(to: Float.self)
    return Vector(floats + range.lowerBound, count: range.count)
  }

  private func filledCounter(_ rank: Int) -> SharedCounter { counter(rank, 0) }
  private func addedCounter(_ rank: Int) -> SharedCounter { counter(rank, 1) }
  private func counter(_ rank: Int, _ index: Int) -> SharedCounter {
    SharedCounter((rings.segments[rank] + 64 * index).assumingMemoryBound(to: UInt64.self))
  }
}
