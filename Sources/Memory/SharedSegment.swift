import CMemory
import Errors

#if canImport(Glibc)
  import Glibc
#endif

/// Memory that several processes of a machine map. It belongs to no file system, so no /dev/shm limits it, and the kernel takes
/// it back with the last process that maps it.
///
/// It starts as zeros and takes memory where it is first touched, near the core that touches it.
public final class SharedSegment {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private var descriptor: Int32

  /// Makes a segment of at least one byte.
  ///
  /// - Throws: `DalleError` if the system gives no such memory.
  public init(byteCount: Int) throws {
    self.byteCount = max(1, byteCount)
    descriptor = cmemory_create("dalle")
    if descriptor < 0, errno == EMFILE || errno == ENFILE {
      throw DalleError(.inputOutput, "memory for ranks to share: too many open files; raise the limit of open files (ulimit -n)")
    }
    guard descriptor >= 0, ftruncate(descriptor, off_t(self.byteCount)) == 0 else { throw Self.error(byteCount) }
    guard let address = Self.map(descriptor, self.byteCount) else { throw Self.error(byteCount) }
    base = address
  }

  /// Maps a segment of another process, which must not have called `closeDescriptor` yet.
  ///
  /// - Throws: `DalleError` if the processes may not see each other: other users, other PID namespaces.
  public init(of process: Int32, descriptor number: Int32, byteCount: Int) throws {
    self.byteCount = max(1, byteCount)
    let path = "/proc/\(process)/fd/\(number)"
    descriptor = open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0, let address = Self.map(descriptor, self.byteCount) else {
      throw DalleError(
        .unavailable,
        "\(path): memory of a neighbouring rank cannot be mapped (\(String(cString: strerror(errno)))); ranks that share memory need "
          + "one user and one PID namespace: start them so, or set parallel.ranksPerNode to 1")
    }
    base = address
  }

  deinit {
    munmap(base, byteCount)
    closeDescriptor()
  }

  /// The number under which other processes find the segment.
  public var descriptorNumber: Int32 { descriptor }

  /// No other process will map the segment any more.
  public func closeDescriptor() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  private static func map(_ descriptor: Int32, _ byteCount: Int) -> UnsafeMutableRawPointer? {
    let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0)
    guard let address, address != MAP_FAILED else { return nil }
    // Where the system has no huge pages for shared memory, ordinary ones do.
    madvise(address, byteCount, Int32(MADV_HUGEPAGE))
    return address
  }

  private static func error(_ byteCount: Int) -> DalleError {
    OutOfMemory.error(byteCount)
  }
}

/// A number in shared memory that one rank raises and others watch.
public struct SharedCounter {
  private let address: UnsafeMutablePointer<UInt64>

  public init(_ address: UnsafeMutablePointer<UInt64>) { self.address = address }

  public var value: UInt64 { cmemory_load_acquire(address) }
  /// All writes before this are visible to whoever reads the value.
  public func publish(_ value: UInt64) { cmemory_store_release(address, value) }
}

/// Orders all reads and writes before it with all after it, as other processes see them.
public func memoryFence() { cmemory_fence() }
