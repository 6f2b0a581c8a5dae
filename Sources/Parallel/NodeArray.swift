import Layers
import MPI
import Memory

/// One number for each value of a model's parameters, once per node: weights, their compute copy, a state array.
///
/// Blocks follow each other as in the table. Every rank of the node reads all of it; a rank writes the rows that it owns, and so
/// touches them first.
package final class NodeArray<Element: BitwiseCopyable> {
  private let memory: NodeMemory
  private let table: ParameterTable
  private let starts: [Int]

  /// Zeros. Collective over the node.
  package init(_ table: ParameterTable, node: Communicator) throws {
    self.table = table
    var start = 0
    starts = table.blocks.map { block in
      defer { start += block.count }
      return start
    }
    // One segment, that of the node's first rank, so that a block is one run of memory.
    memory = try NodeMemory(node, byteCount: node.rank == 0 ? table.floatCount * MemoryLayout<Element>.stride : 0)
  }

  /// The same memory, with elements of another type of the same size.
  func viewed<Other: BitwiseCopyable>(as _: Other.Type) -> NodeArray<Other> {
    precondition(MemoryLayout<Other>.stride == MemoryLayout<Element>.stride, "elements of another size")
    return NodeArray<Other>(memory, table, starts)
  }

  private init(_ memory: NodeMemory, _ table: ParameterTable, _ starts: [Int]) {
    (self.memory, self.table, self.starts) = (memory, table, starts)
  }

  package func values(of block: BlockID) -> VectorView<Element> {
    let base = memory.segments[0].assumingMemoryBound(to: Element.self)
    return VectorView(base + starts[block.index], count: table[block].count)
  }
}
