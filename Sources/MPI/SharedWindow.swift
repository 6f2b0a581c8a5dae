import CMPI

/// Memory that the ranks of one machine share: each contributes a segment, all read and write all segments.
public final class SharedWindow {
  private var window: MPI_Win?
  /// Start of each rank's segment.
  public let segments: [UnsafeMutableRawPointer]

  /// Every rank of `node` passes the size of its own segment, in bytes; sizes are rounded up to whole pages. The memory
  /// starts as zeros.
  public init(_ node: Communicator, byteCount: Int) throws {
    let bytes = (byteCount + 4095) & ~4095
    var base: UnsafeMutableRawPointer?
    var window: MPI_Win?
    try check(cmpi_allocate_shared(Int64(bytes), node.handle, &base, &window), "MPI_Win_allocate_shared")
    self.window = window
    segments = try (0..<node.size).map { rank in
      var start: UnsafeMutableRawPointer?
      try check(cmpi_query_shared(window!, Int32(rank), &start), "MPI_Win_shared_query")
      return start ?? UnsafeMutableRawPointer(bitPattern: 64)!  // an empty segment
    }
    // Each rank clears its share of all segments: the first touch of memory takes longer than what is then done with it.
    for (start, bytes) in zip(segments, try node.allGather(bytes)) {
      let pages = bytes / 4096
      let (first, end) = (pages * node.rank / node.size, pages * (node.rank + 1) / node.size)
      if end > first { (start + 4096 * first).initializeMemory(as: UInt8.self, repeating: 0, count: 4096 * (end - first)) }
    }
    try node.barrier()
  }

  /// Gives the memory back; nobody may use it afterwards. Collective. A window that is not freed lives until the process
  /// ends: giving it back by itself would make a rank that unwinds from an error wait for the others.
  public func free() throws { try check(cmpi_free_shared(&window), "MPI_Win_free") }
}

/// A number in shared memory that one rank raises and others watch.
public struct SharedFlag {
  private let address: UnsafeMutablePointer<UInt64>
  public init(_ address: UnsafeMutablePointer<UInt64>) { self.address = address }
  /// All writes before this are visible to whoever reads the value.
  public func publish(_ value: UInt64) { cmpi_store_release(address, value) }
  public var value: UInt64 { cmpi_load_acquire(address) }
}

/// Gives the core to another process that can run.
public func yieldCore() { sched_yield() }
