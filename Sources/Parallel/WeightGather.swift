import Kernels
import Layers
import MPI
import Memory
import Monitoring

/// Brings each node the weights that other nodes have updated, where the state is spread over nodes: what models read of them, no more.
///
/// Each rank starts the blocks in the order of the table, as soon as it has updated its rows, and gets the rows that it owns on other
/// nodes; a pass waits for a block until all ranks of its node have them. So the first forward pass after an update overlaps with it.
final class WeightGather {
  private let table: ParameterTable
  private let grid: ProcessGrid
  private let clock: PhaseClock
  private let window: MessageWindow
  /// What keeps the values that are sent and received.
  private let values: NodeArray<Float>
  private let copy: NodeArray<BFloat16>?
  /// Of each block, in the order in which all nodes send them.
  private let messages: [[Message]]
  /// A counter of each rank of the node, a cache line each: blocks that it has gathered since the start.
  private let counters: NodeMemory

  /// Blocks that were started, and gathered, since the start.
  private var started = 0
  private var gathered = 0
  /// How many messages of the window are complete when each started block is that is not gathered.
  private var ends: [Int] = []

  private struct Message {
    let node: Int
    let bytes: UnsafeMutableRawBufferPointer
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - values: in fp32.
  ///   - copy: the same in bf16, for operands of GEMMs.
  init(
    _ table: ParameterTable, grid: ProcessGrid, partition: Partition, values: NodeArray<Float>, copy: NodeArray<BFloat16>?,
    clock: PhaseClock
  ) throws {
    (self.table, self.grid, self.values, self.copy, self.clock) = (table, grid, values, copy, clock)
    window = MessageWindow(
      try grid.across.split(color: 0, key: grid.across.rank),
      byteLimit: MessageWindow.byteLimit(table, ranksPerNode: grid.node.size))
    counters = try NodeMemory(grid.node, byteCount: 64)
    messages = table.blockIDs.map { block in
      (0..<partition.nodes).flatMap { node in
        partition.pieces(of: block, rank: grid.node.rank, node: node).flatMap { piece in
          var parts: [UnsafeMutableRawBufferPointer] = []
          if copy == nil || piece.parameter.isReadInFP32 { parts += Self.parts(values.values(of: block)[piece.range]) }
          if let copy, piece.parameter.role.isOperand { parts += Self.parts(copy.values(of: block)[piece.range]) }
          return parts.map { Message(node: node, bytes: $0) }
        }
      }
    }
  }

  /// Bytes of a model's weights as models read them.
  static func byteCount(_ table: ParameterTable, _ precision: Precision) -> Int {
    table.parameters.reduce(0) { bytes, parameter in
      let inFP32 = precision == .fp32 || parameter.isReadInFP32
      return bytes + parameter.count * ((inFP32 ? 4 : 0) + (precision == .bf16 && parameter.role.isOperand ? 2 : 0))
    }
  }

  private static func parts<Element>(_ values: VectorView<Element>) -> [UnsafeMutableRawBufferPointer] {
    stride(from: 0, to: values.count, by: MessageWindow.pieceCount).map { first in
      let part = values[first..<min(first + MessageWindow.pieceCount, values.count)]
      return UnsafeMutableRawBufferPointer(start: part.base, count: part.count * MemoryLayout<Element>.stride)
    }
  }

  /// The rows of a block that this node keeps are current. Blocks start in the order of the table, all of them each time.
  func start(_ block: BlockID) throws {
    precondition(block.index == started % table.blocks.count, "block \(block.index) is gathered out of its turn")
    started += 1
    for message in messages[block.index] {
      window.add(byteCount: message.bytes.count) { [unowned self, group = window.group] in
        try group.iBroadcast(message.bytes.baseAddress!, byteCount: message.bytes.count, from: message.node, owner: self)
      }
    }
    ends.append(window.added)
    try advance()
  }

  /// Lets messages advance, without waiting.
  func advance() throws {
    if ends.isEmpty { return }
    _ = try window.advance()
    let before = gathered
    while let end = ends.first, end <= window.completed {
      ends.removeFirst()
      gathered += 1
    }
    if gathered > before { counter(grid.node.rank).publish(UInt64(gathered)) }
  }

  /// Waits until all ranks of the node have gathered what was started of a block.
  func wait(for block: BlockID) throws {
    guard started > block.index else { return }
    let blocks = table.blocks.count
    // Of the last time that the block was started.
    let needed = UInt64((started - block.index - 1) / blocks * blocks + block.index + 1)
    if isGathered(needed) { return }
    try clock.measure(.communicate) {
      while !isGathered(needed) {
        try advance()
        if !isGathered(needed) { yieldCore() }
      }
    }
  }

  /// Waits until this rank has gathered all that was started.
  func finish() throws {
    try clock.measure(.communicate) {
      while !ends.isEmpty {
        try advance()
        if !ends.isEmpty { yieldCore() }
      }
    }
  }

  private func isGathered(_ blocks: UInt64) -> Bool { (0..<grid.node.size).allSatisfy { counter($0).value >= blocks } }

  private func counter(_ rank: Int) -> SharedCounter {
    SharedCounter(counters.segments[rank].assumingMemoryBound(to: UInt64.self))
  }
}
