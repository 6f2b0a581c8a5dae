import Layers
import Memory

/// The gradients of the rows that a rank owns. What is summed over the node is put here, and what is summed over all nodes is taken
/// from here: of all these rows, or of those whose state this node keeps.
package final class OwnedGradients {
  package let table: ParameterTable
  package let partition: Partition
  /// Within the node.
  package let rank: Int
  /// The number of this rank's node, where the state is spread over nodes; else 0.
  package let node: Int
  /// Of each block, as long as they can be: floats of the block, and where the first of them is in `values`.
  private let runs: [[Run]]
  private let values: Buffer<Float>

  struct Run {
    let range: Range<Int>
    let start: Int
  }

  package init(_ table: ParameterTable, partition: Partition, rank: Int, node: Int) {
    (self.table, self.partition, self.rank, self.node) = (table, partition, rank, node)
    var start = 0
    runs = table.blockIDs.map { block in
      partition.ranges(of: block, rank: rank).map { range in
        defer { start += (range.count + 15) & ~15 }
        return Run(range: range, start: start)
      }
    }
    values = Buffer(count: start)
  }

  package var floatCount: Int { values.count }
  /// What keeps the vectors alive.
  var owner: AnyObject { values }

  func fill(_ value: Float) { values.vector.fill(value) }

  /// The owned floats of a block, as long runs.
  package func ranges(of block: BlockID) -> [Range<Int>] { runs[block.index].map(\.range) }

  package func pieces(of block: BlockID) -> [Partition.Piece] { partition.pieces(of: block, rank: rank) }

  /// The owned floats of a block whose state this node keeps.
  package func keptRanges(of block: BlockID) -> [Range<Int>] { partition.ranges(of: block, rank: rank, node: node) }

  /// The owned floats of a block in parts of `limit` at most, each with the node that keeps its state.
  func parts(of block: BlockID, limit: Int) -> [(node: Int, range: Range<Int>)] {
    (0..<partition.nodes).flatMap { node in
      partition.ranges(of: block, rank: rank, node: node).flatMap { range in
        stride(from: range.lowerBound, to: range.upperBound, by: limit).map { (node, $0..<min($0 + limit, range.upperBound)) }
      }
    }
  }

  /// Some owned floats of a block that are in one run.
  package func vector(_ block: BlockID, _ range: Range<Int>) -> Vector {
    for run in runs[block.index] where run.range.lowerBound <= range.lowerBound && range.upperBound <= run.range.upperBound {
      let first = run.start + range.lowerBound - run.range.lowerBound
      return values.vector[first..<first + range.count]
    }
    preconditionFailure("the floats \(range) of block `\(table[block].name)` belong to another rank")
  }

  /// All floats of a block, of a rank that owns them all.
  func whole(_ block: BlockID) -> Vector {
    let first = runs[block.index].first?.start ?? 0
    return values.vector[first..<first + table[block].count]
  }
}
