import CMPI
import Foundation
import Memory

/// A group of ranks that talk to each other. Calls are collective: every rank of the group makes them in the same order.
///
/// A group lasts as long as the process: giving it back is collective too, and an error may unwind past it on one rank alone.
package final class Communicator {
  let handle: MPI_Comm
  package let rank: Int
  package let size: Int

  /// Runs calls that wait for other ranks. Whoever measures time sets it, once, before ranks talk to each other.
  nonisolated(unsafe) package static var waiting: (_ call: () throws -> Void) throws -> Void = { try $0() }

  private init(_ handle: MPI_Comm) throws {
    self.handle = handle
    var value: Int32 = 0
    try check(MPI_Comm_rank(handle, &value), "MPI_Comm_rank")
    rank = Int(value)
    try check(MPI_Comm_size(handle, &value), "MPI_Comm_size")
    size = Int(value)
  }

  /// Starts MPI, if it does not run yet, and gives all ranks of the job. Works without `mpirun` too: then there is one.
  package static func world() throws -> Communicator {
    try check(cmpi_init(), "MPI_Init_thread")
    return try Communicator(cmpi_world())
  }

  /// Ends MPI. Nothing of this module may be used afterwards.
  package static func finalize() throws { try check(cmpi_finalize(), "MPI_Finalize") }

  /// Ends every rank of the job at once. Any thread may call it.
  package func abort(_ code: Int32) -> Never {
    MPI_Abort(handle, code)
    _exit(code)
  }

  /// The ranks that gave the same `color`, ordered by `key`.
  package func split(color: Int, key: Int) throws -> Communicator {
    var result: MPI_Comm?
    try Self.waiting { try check(MPI_Comm_split(handle, Int32(color), Int32(key), &result), "MPI_Comm_split") }
    return try Communicator(result!)
  }

  /// The ranks that can share memory with this one.
  package func splitByMemory() throws -> Communicator {
    var result: MPI_Comm?
    try Self.waiting { try check(cmpi_split_shared(handle, Int32(rank), &result), "MPI_Comm_split_type") }
    return try Communicator(result!)
  }

  /// Waits for every rank. What ranks wrote to shared memory before it, all see after it.
  package func barrier() throws {
    memoryFence()
    try Self.waiting { try check(MPI_Barrier(handle), "MPI_Barrier") }
    memoryFence()
  }

  package enum Operation: Int32 {
    case sum = 0
    case maximum, minimum
  }

  /// Replaces each value by the sum, maximum or minimum over the ranks.
  package func allReduce(_ values: inout [Double], _ operation: Operation = .sum) throws {
    try Self.waiting { try check(cmpi_allreduce_double(&values, Int32(values.count), operation.rawValue, handle), "MPI_Allreduce") }
  }

  package func allReduce(_ values: inout [Int], _ operation: Operation = .sum) throws {
    var wide = values.map(Int64.init)
    try Self.waiting { try check(cmpi_allreduce_int64(&wide, Int32(wide.count), operation.rawValue, handle), "MPI_Allreduce") }
    values = wide.map(Int.init)
  }

  /// Replaces the `count` floats at `values` by their sum over the ranks, on rank 0 alone. Others keep theirs.
  package func reduceToFirst(_ values: UnsafeMutablePointer<Float>, count: Int) throws {
    precondition(count <= Int(Int32.max), "a sum of \(count) floats; cut it in pieces")
    try Self.waiting { try check(cmpi_reduce_to_first_float(values, Int32(count), Int32(rank), handle), "MPI_Reduce") }
  }

  /// Every rank's value, in the order of ranks.
  package func allGather<Value: BitwiseCopyable>(_ value: Value) throws -> [Value] {
    // Whole strides, as arrays have them: a value may end before its stride does.
    try [value].withUnsafeBytes { mine in
      try [Value](unsafeUninitializedCapacity: size) { all, count in
        try Self.waiting {
          try check(cmpi_allgather_bytes(mine.baseAddress!, Int32(mine.count), all.baseAddress!, handle), "MPI_Allgather")
        }
        count = size
      }
    }
  }

  /// Sends bytes to a rank that receives as many. May return before they have arrived.
  package func send(_ bytes: UnsafeRawBufferPointer, to rank: Int) throws {
    precondition(bytes.count <= Int(Int32.max), "a message of \(bytes.count) bytes; cut it in pieces")
    guard let base = bytes.baseAddress else { return }
    try Self.waiting { try check(cmpi_send_bytes(base, Int32(bytes.count), Int32(rank), handle), "MPI_Send") }
  }

  /// Waits for bytes that a rank sends.
  package func receive(into bytes: UnsafeMutableRawBufferPointer, from rank: Int) throws {
    precondition(bytes.count <= Int(Int32.max), "a message of \(bytes.count) bytes; cut it in pieces")
    guard let base = bytes.baseAddress else { return }
    try Self.waiting { try check(cmpi_receive_bytes(base, Int32(bytes.count), Int32(rank), handle), "MPI_Recv") }
  }

  /// The bytes that rank `root` has, on every rank; what the others pass is ignored.
  package func broadcast(_ bytes: [UInt8], from root: Int = 0) throws -> [UInt8] {
    var count = [rank == root ? bytes.count : 0]
    try allReduce(&count, .maximum)
    precondition(count[0] <= Int(Int32.max), "a broadcast of \(count[0]) bytes")
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: count[0])
    try Self.waiting { try check(cmpi_broadcast_bytes(&result, Int32(count[0]), Int32(root), handle), "MPI_Bcast") }
    return result
  }
}

/// Gives the core to another process that can run.
package func yieldCore() { sched_yield() }
