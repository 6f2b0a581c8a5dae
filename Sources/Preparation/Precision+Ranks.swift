import Kernels
import MPI

extension Precision {
  /// The precision of all ranks: one whose CPU lacks fast bf16 decides for all. Collective.
  package func common(in world: Communicator) throws -> Precision {
    var slow = [self == .fp32 ? 1 : 0]
    try world.allReduce(&slow, .maximum)
    return slow[0] == 1 ? .fp32 : .bf16
  }
}
