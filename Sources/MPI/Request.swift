import CMPI
import Memory

/// A call under way. It advances only while a thread is inside MPI, so test it now and then; it must be waited for, unless an error
/// ends the job.
package final class Request {
  private var request: MPI_Request?
  private var owner: AnyObject?

  fileprivate init(owner: AnyObject, _ call: String, _ start: (UnsafeMutablePointer<MPI_Request?>) -> Int32) throws {
    try check(start(&request), call)
    self.owner = owner
  }

  deinit {
    // An error unwinds past it: other ranks may still send, so what they write to stays for the rest of the process.
    if let owner { _ = Unmanaged.passRetained(owner) }
  }

  /// Whether it is complete; lets it advance.
  package func test() throws -> Bool {
    if owner == nil { return true }
    var done: Int32 = 0
    try check(cmpi_test(&request, &done), "MPI_Test")
    if done != 0 { owner = nil }
    return done != 0
  }

  package func wait() throws {
    if owner == nil { return }
    try check(cmpi_wait(&request), "MPI_Wait")
    owner = nil
  }
}

/// Collective calls that return at once. Each keeps `owner`, in which its numbers lie, alive until it is complete.
extension Communicator {
  /// Starts summing `count` floats at `values` over the ranks, in place. All ranks get the same bits.
  package func iAllReduce(_ values: UnsafeMutablePointer<Float>, count: Int, owner: AnyObject) throws -> Request {
    precondition(count <= Int(Int32.max), "a sum of \(count) floats; cut it in pieces")
    return try Request(owner: owner, "MPI_Iallreduce") { cmpi_iallreduce_float(values, Int32(count), handle, $0) }
  }

  /// Starts summing `count` floats at `values` over the ranks, in place, on rank `root` alone. Others keep theirs.
  package func iReduce(_ values: UnsafeMutablePointer<Float>, count: Int, to root: Int, owner: AnyObject) throws -> Request {
    precondition(count <= Int(Int32.max), "a sum of \(count) floats; cut it in pieces")
    return try Request(owner: owner, "MPI_Ireduce") {
      cmpi_ireduce_float(values, Int32(count), Int32(root), root == rank, handle, $0)
    }
  }

  /// Starts collecting the `byteCount` bytes at `mine` of every rank in `all`, in the order of ranks, on rank `root` alone.
  package func iGather(
    _ mine: UnsafeRawPointer, into all: UnsafeMutableRawPointer, byteCount: Int, at root: Int, owner: AnyObject
  ) throws -> Request {
    precondition(byteCount <= Int(Int32.max), "\(byteCount) bytes of each rank; cut them in pieces")
    return try Request(owner: owner, "MPI_Igather") { cmpi_igather_bytes(mine, Int32(byteCount), all, Int32(root), handle, $0) }
  }

  /// Starts sending the `byteCount` bytes at `bytes` of rank `root` to all others, which get them there.
  package func iBroadcast(_ bytes: UnsafeMutableRawPointer, byteCount: Int, from root: Int, owner: AnyObject) throws -> Request {
    precondition(byteCount <= Int(Int32.max), "a broadcast of \(byteCount) bytes; cut it in pieces")
    return try Request(owner: owner, "MPI_Ibcast") { cmpi_ibroadcast_bytes(bytes, Int32(byteCount), Int32(root), handle, $0) }
  }

  /// Starts sending part j of `mine`, of `byteCount` bytes, to rank j, and receiving rank j's part for this one as part j of `parts`.
  package func iAllToAll(
    _ mine: UnsafeRawPointer, into parts: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject
  ) throws -> Request {
    precondition(byteCount <= Int(Int32.max), "parts of \(byteCount) bytes; cut them in pieces")
    return try Request(owner: owner, "MPI_Ialltoall") { cmpi_ialltoall_bytes(mine, Int32(byteCount), parts, handle, $0) }
  }

  /// Starts collecting the `byteCount` bytes at `mine` of every rank in `all`, in the order of ranks.
  package func iAllGather(
    _ mine: UnsafeRawPointer, into all: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject
  ) throws -> Request {
    precondition(byteCount <= Int(Int32.max), "\(byteCount) bytes of each rank; cut them in pieces")
    return try Request(owner: owner, "MPI_Iallgather") { cmpi_iallgather_bytes(mine, Int32(byteCount), all, handle, $0) }
  }

  /// A request that is complete when every rank has come here.
  package func iBarrier() throws -> Request {
    try Request(owner: self, "MPI_Ibarrier") { cmpi_ibarrier(handle, $0) }
  }
}
