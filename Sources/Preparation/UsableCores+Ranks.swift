import Foundation
import Hashing
import MPI
import Monitoring

extension UsableCores {
  /// Threads for this rank: ranks of a machine that may run on the same cores share them. Collective over `machine`, which has all
  /// ranks of the machine.
  package func share(among machine: Communicator) throws -> Int {
    let mask = UInt64(SHA256.hex(of: mask.utf8).prefix(16), radix: 16)!
    return max(1, count / (try machine.allGather(mask).count { $0 == mask }))
  }

  /// What to say if a launcher bound the ranks of a machine to fewer cores than it has itself. Collective over `machine`.
  package func bindingWarning(among machine: Communicator) throws -> String? {
    let parent = UsableCores(process: "\(getppid())").maskCount
    let masks = try machine.allGather(UInt64(SHA256.hex(of: mask.utf8).prefix(16), radix: 16)!)
    let counts = try machine.allGather(maskCount)
    let bound = Dictionary(zip(masks, counts), uniquingKeysWith: { $1 }).values.reduce(0, +)
    guard bound < parent else { return nil }
    return "the launcher has bound \(machine.size) \(machine.size == 1 ? "rank" : "ranks") to \(bound) of \(parent) cores; "
      + "to use them all: `source Launch/env`, or `mpirun --bind-to none`"
  }
}
