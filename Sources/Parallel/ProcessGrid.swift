import Errors
import MPI

/// Who computes: all ranks, those that share this one's memory (a node), and those that own the same slice on other nodes.
package final class ProcessGrid {
  package let world: Communicator
  /// The ranks of this machine, which share its cores: a node, or several simulated ones.
  package let machine: Communicator
  package let node: Communicator
  /// One rank of each node: those with this rank's number within their node.
  package let across: Communicator

  /// - Parameter ranksPerNode: ranks that share memory; 0 means all of a machine. Smaller values split a machine into simulated
  ///   nodes, so that the path between nodes can be tested without a cluster.
  package init(_ world: Communicator, ranksPerNode: Int = 0) throws {
    self.world = world
    machine = try world.splitByMemory()
    if ranksPerNode > 0 {
      node = try machine.split(color: machine.rank / ranksPerNode, key: machine.rank)
    } else {
      node = machine
    }
    let sizes = try world.allGather(node.size)
    guard Set(sizes).count == 1 else {
      throw DalleError(
        .configuration,
        "nodes have between \(sizes.min()!) and \(sizes.max()!) ranks; each needs equally many: start \(world.size) ranks on as many "
          + "slots everywhere, or set parallel.ranksPerNode (now \(ranksPerNode)) to a number that divides the ranks of every machine"
      )
    }
    across = try world.split(color: node.rank, key: world.rank)
  }

  package var isCoordinator: Bool { world.rank == 0 }
  package var nodeCount: Int { across.size }

  /// Rank `rank`'s contiguous part of `count` things dealt to `ranks` ranks; sizes differ by one at most.
  package static func share(of count: Int, rank: Int, ranks: Int) -> Range<Int> {
    count * rank / ranks..<count * (rank + 1) / ranks
  }
}
