import Layers
import MPI
import Memory

/// Sums between nodes in fp32.
package final class SumExchange: GradientExchange {
  package let gradients: OwnedGradients
  package let window: MessageWindow

  /// Collective over the ranks of `across`.
  ///
  /// - Parameter byteLimit: of the sums that are under way at a time.
  package init(_ gradients: OwnedGradients, across: Communicator, byteLimit: Int) throws {
    self.gradients = gradients
    window = MessageWindow(try across.split(color: 0, key: across.rank), byteLimit: byteLimit)
  }

  package func start(_ block: BlockID) throws {
    for range in gradients.ranges(of: block) { window.addSum(gradients.vector(block, range), owner: gradients.owner) }
    _ = try advance()
  }

  package func advance() throws -> Bool { try window.advance() }
}
