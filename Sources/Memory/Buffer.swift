#if canImport(Glibc)
  import Glibc
#endif

/// Zeroed storage for `count` elements of a trivial type, aligned to a cache line (64 bytes). Freed with its last reference.
///
/// Large storage asks for huge pages, and takes memory only where it is touched.
public final class Buffer<Element: BitwiseCopyable> {
  public let base: UnsafeMutablePointer<Element>
  public let count: Int
  /// What large storage lies in.
  private let mapping: UnsafeMutableRawBufferPointer?

  public init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) elements")
    let (product, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    // No system gives more than half of the address space.
    let bytes = overflow ? Int.max / 2 : max(product, 1)
    var raw: UnsafeMutableRawPointer?
    if bytes >= 2 * Self.hugePage {
      // Room to start where a huge page does.
      let mapped = mmap(
        nil, bytes + Self.hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      guard let mapped, mapped != MAP_FAILED else { OutOfMemory.end(bytes) }
      mapping = UnsafeMutableRawBufferPointer(start: mapped, count: bytes + Self.hugePage)
      raw = mapped.alignedUp(toMultipleOf: Self.hugePage)
      // Where the system has no huge pages to give, ordinary ones do.
      _ = madvise(raw, bytes, Int32(MADV_HUGEPAGE))
    } else {
      mapping = nil
      guard posix_memalign(&raw, 64, bytes) == 0 else { OutOfMemory.end(bytes) }
      memset(raw!, 0, bytes)
    }
    base = raw!.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  /// Bytes of a huge page of x86-64, and of AArch64 with pages of 4 kB.
  private static var hugePage: Int { 1 << 21 }

  deinit {
    if let mapping {
      munmap(mapping.baseAddress, mapping.count)
    } else {
      free(base)
    }
  }

  @inlinable public subscript(index: Int) -> Element {
    get { base[index] }
    set { base[index] = newValue }
  }

  /// The whole buffer as a view; the caller keeps the buffer alive, if need be with `withExtendedLifetime`: a local buffer
  /// is freed after its last mention.
  public var vector: VectorView<Element> { VectorView(base, count: count) }

  public var array: [Element] { vector.array }
}

extension Buffer where Element == Float {
  public convenience init(_ values: [Float]) {
    self.init(count: values.count)
    for (index, value) in values.enumerated() { base[index] = value }
  }
}
