import Layers
import MPI
import Memory

/// Sums between nodes in fp32.
final class SumExchange: GradientExchange {
  let gradients: OwnedGradients
  private let across: Communicator
  private var sums: [PendingSum] = []

  /// Collective over the ranks of `across`.
  init(_ gradients: OwnedGradients, across: Communicator) throws {
    self.gradients = gradients
    self.across = try across.split(color: 0, key: across.rank)
  }

  func beginStep(isCompressing: Bool) { sums = [] }

  func start(_ block: BlockID) throws {
    for range in gradients.ranges(of: block) {
      sums.append(try PendingSum(gradients.vector(block, range), over: across, owner: gradients.owner))
    }
  }

  func advance() throws -> Bool {
    var isDone = true
    for sum in sums where try !sum.advance() { isDone = false }
    return isDone
  }
}

/// A vector that is being summed over the ranks of a group, in place.
final class PendingSum {
  private let requests: [Request]

  /// Floats of one message at most: Open MPI is slow with larger ones.
  static let pieceCount = 1 << 19

  init(_ values: Vector, over group: Communicator, owner: AnyObject) throws {
    guard group.size > 1 else {
      requests = []
      return
    }
    requests = try stride(from: 0, to: values.count, by: Self.pieceCount).map { first in
      try group.iAllReduce(values.base + first, count: min(Self.pieceCount, values.count - first), owner: owner)
    }
  }

  /// Lets the sum advance; true when it is complete.
  func advance() throws -> Bool {
    var isDone = true
    for request in requests where try !request.test() { isDone = false }
    return isDone
  }
}
