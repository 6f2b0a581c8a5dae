import Hashing
import MPI
import Monitoring

extension UsableCores {
  /// Threads for this rank: ranks of a machine that may run on the same cores share them. Collective over `machine`.
  package func share(among machine: Communicator) throws -> Int {
    let mask = UInt64(SHA256.hex(of: mask.utf8).prefix(16), radix: 16)!
    return max(1, count / (try machine.allGather(mask).count { $0 == mask }))
  }
}
