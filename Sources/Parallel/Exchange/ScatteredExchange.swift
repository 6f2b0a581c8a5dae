import Layers
import MPI
import Memory

/// Sums between nodes in fp32, where the state is spread over nodes: each node gets the sums of the rows that it keeps.
package final class ScatteredExchange: GradientExchange {
  package let gradients: OwnedGradients
  package let isScattered = true
  package let window: MessageWindow

  /// Collective over the ranks of `across`.
  ///
  /// - Parameter byteLimit: of the sums that are under way at a time.
  package init(_ gradients: OwnedGradients, across: Communicator, byteLimit: Int) throws {
    self.gradients = gradients
    window = MessageWindow(try across.split(color: 0, key: across.rank), byteLimit: byteLimit)
  }

  package func start(_ block: BlockID) throws {
    let (group, owner) = (window.group, gradients.owner)
    for part in gradients.parts(of: block, limit: MessageWindow.pieceCount) {
      let values = gradients.vector(block, part.range)
      window.add(byteCount: 4 * values.count) {
        try group.iReduce(values.base, count: values.count, to: part.node, owner: owner)
      }
    }
    _ = try advance()
  }

  package func advance() throws -> Bool { try window.advance() }

  /// Bytes that MPI takes: of a sum that another node gets it keeps a copy, and another where more than two nodes sum (Open MPI 4.1's
  /// `ireduce` by reduce-scatter and gather).
  static func byteCount(total: Int, byteLimit: Int, nodes: Int) -> Int {
    MessageWindow.sumBytes(total: total, byteLimit: byteLimit, nodes: nodes) * (nodes > 2 ? 2 : 1)
  }
}
