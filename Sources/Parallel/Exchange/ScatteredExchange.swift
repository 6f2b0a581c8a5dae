import Layers
import MPI
import Memory

/// Sums between nodes in fp32, where the state is spread over nodes: each node gets the sums of the rows that it keeps.
final class ScatteredExchange: GradientExchange {
  let gradients: OwnedGradients
  let isScattered = true
  private let across: Communicator
  private var sums: [Request] = []

  /// Collective over the ranks of `across`.
  init(_ gradients: OwnedGradients, across: Communicator) throws {
    self.gradients = gradients
    self.across = try across.split(color: 0, key: across.rank)
  }

  func beginStep(isCompressing: Bool) { sums = [] }

  func start(_ block: BlockID) throws {
    for part in gradients.parts(of: block, limit: PendingSum.pieceCount) {
      let values = gradients.vector(block, part.range)
      sums.append(try across.iReduce(values.base, count: values.count, to: part.node, owner: gradients.owner))
    }
  }

  func advance() throws -> Bool {
    var isDone = true
    for sum in sums where try !sum.test() { isDone = false }
    return isDone
  }
}
