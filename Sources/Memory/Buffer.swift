#if canImport(Glibc)
import Glibc
#endif

/// Zeroed storage for `count` elements of a trivial type, aligned to a cache line (64 bytes). Freed with its last reference.
public final class Buffer<Element: BitwiseCopyable> {
  public let base: UnsafeMutablePointer<Element>
  public let count: Int

  public init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) elements")
    let bytes = max(count * MemoryLayout<Element>.stride, 1)
    var raw: UnsafeMutableRawPointer?
    let code = posix_memalign(&raw, 64, bytes)
    guard code == 0, let raw else { fatalError("out of memory: \(bytes) bytes") }
    memset(raw, 0, bytes)
    base = raw.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { free(base) }

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
