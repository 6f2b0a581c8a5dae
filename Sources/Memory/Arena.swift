/// Where the activations of a step live: laid out once, reused by every step.
///
/// `Arena.layOut` runs a plan twice: first to measure, then to hand out views into one allocation. After that nothing is
/// allocated in a step, and a model's memory is known before it is touched.
public final class Arena {
  private let storage: Buffer<UInt8>
  /// Size in bytes.
  public var byteCount: Int { storage.count }

  private init(byteCount: Int) { storage = Buffer(count: byteCount) }

  /// Runs `plan` to measure, allocates, and runs it again to hand out the views. The plan must ask for the same sizes in
  /// the same order both times, and must not touch the memory.
  public static func layOut<Views>(_ plan: (inout Space) -> Views) -> (arena: Arena, views: Views) {
    let arena = Arena(byteCount: measure(plan))
    var space = Space(base: UnsafeMutableRawPointer(arena.storage.base))
    let views = plan(&space)
    precondition(space.used == arena.byteCount, "the plan asked for \(space.used) bytes after measuring \(arena.byteCount)")
    return (arena, views)
  }

  /// The bytes that `plan` asks for.
  public static func measure<Views>(_ plan: (inout Space) -> Views) -> Int {
    // A fake, aligned, never dereferenced address.
    var space = Space(base: UnsafeMutableRawPointer(bitPattern: 4096)!)
    _ = plan(&space)
    return space.used
  }
}

/// Hands out consecutive cache-line aligned pieces of an arena.
public struct Space {
  private let base: UnsafeMutableRawPointer
  public private(set) var used = 0

  fileprivate init(base: UnsafeMutableRawPointer) { self.base = base }

  public mutating func take<Element: BitwiseCopyable>(_: Element.Type, count: Int) -> UnsafeMutablePointer<Element> {
    let pointer = (base + used).assumingMemoryBound(to: Element.self)
    used += (count * MemoryLayout<Element>.stride + 63) & ~63
    return pointer
  }

  public mutating func vector<Element>(_ count: Int, of type: Element.Type = Float.self) -> VectorView<Element> {
    VectorView(take(type, count: count), count: count)
  }

  public mutating func matrix<Element>(
    rows: Int, columns: Int, of type: Element.Type = Float.self
  ) -> MatrixView<Element> {
    MatrixView(take(type, count: rows * columns), rows: rows, columns: columns)
  }

  /// Runs `plan` on space that is given back afterwards, so that what follows lies on top of it: for scratch whose
  /// lifetimes do not overlap. `used` keeps the high-water mark at the end of the outer plan.
  public mutating func overlaid<Views>(_ plans: [(inout Space) -> Views]) -> [Views] {
    let start = used
    var high = used
    var views: [Views] = []
    for plan in plans {
      used = start
      views.append(plan(&self))
      high = max(high, used)
    }
    used = high
    return views
  }
}
