import Foundation
import MPI
import Memory

/// Memory that the ranks of a node share: each contributes a segment, all read and write all segments.
///
/// Nothing collective is needed to give it back: it goes when nobody maps it any more, so a rank that unwinds from an error
/// waits for nobody.
package final class NodeMemory {
  /// Start of each rank's segment, aligned to a page.
  package let segments: [UnsafeMutableRawPointer]
  private let mappings: [SharedSegment]

  /// Every rank of `node` passes the size of its own segment, in bytes, which may be 0. The memory starts as zeros. Collective.
  package init(_ node: Communicator, byteCount: Int) throws {
    let own = try SharedSegment(byteCount: byteCount)
    let processes = try node.allGather(getpid())
    let descriptors = try node.allGather(own.descriptorNumber)
    let byteCounts = try node.allGather(own.byteCount)
    mappings = try (0..<node.size).map { rank in
      rank == node.rank
        ? own : try SharedSegment(of: processes[rank], descriptor: descriptors[rank], byteCount: byteCounts[rank])
    }
    segments = mappings.map(\.base)
    try node.barrier()
    for mapping in mappings { mapping.closeDescriptor() }
  }
}
