/// A vector of floats.
public typealias Vector = VectorView<Float>
/// A matrix of floats.
public typealias Matrix = MatrixView<Float>

/// A run of `count` numbers that somebody else owns (a buffer, an arena, a shared window).
///
/// Views are plain pointers with a length: free to copy, valid as long as their owner lives.
public struct VectorView<Element: BitwiseCopyable> {
  public let base: UnsafeMutablePointer<Element>
  public let count: Int

  @inlinable public init(_ base: UnsafeMutablePointer<Element>, count: Int) {
    self.base = base
    self.count = count
  }

  @inlinable public subscript(index: Int) -> Element {
    get { base[index] }
    nonmutating set { base[index] = newValue }
  }

  @inlinable public subscript(range: Range<Int>) -> VectorView {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "vector range \(range) of \(count)")
    return VectorView(base + range.lowerBound, count: range.count)
  }

  /// The same storage as a dense matrix. `rows · columns` must equal `count`.
  @inlinable public func matrix(rows: Int, columns: Int) -> MatrixView<Element> {
    precondition(rows * columns == count, "a vector of \(count) is not \(rows) x \(columns)")
    return MatrixView(base, rows: rows, columns: columns)
  }

  @inlinable public func fill(_ value: Element) {
    base.update(repeating: value, count: count)
  }

  @inlinable public func copy(from other: VectorView) {
    precondition(other.count == count, "copy of \(other.count) numbers into \(count)")
    base.update(from: other.base, count: count)
  }

  public func copy(from values: [Element]) {
    precondition(values.count == count, "copy of \(values.count) numbers into \(count)")
    values.withUnsafeBufferPointer { base.update(from: $0.baseAddress!, count: count) }
  }

  public var array: [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

extension VectorView where Element == Float {
  /// Whether no element is an infinity or NaN.
  public var isFinite: Bool {
    // 0 times a finite number is 0; times an infinity or NaN it is NaN, which stays in the sum.
    var sums = SIMD16<Float>(repeating: 0)
    var index = 0
    while index + 16 <= count {
      sums += UnsafeRawPointer(base + index).loadUnaligned(as: SIMD16<Float>.self) * 0
      index += 16
    }
    var sum = sums.sum()
    while index < count {
      sum += base[index] * 0
      index += 1
    }
    return sum == 0
  }
}

/// A `rows × columns` window of row-major numbers; consecutive rows are `stride` numbers apart.
public struct MatrixView<Element: BitwiseCopyable> {
  public let base: UnsafeMutablePointer<Element>
  public let rows: Int
  public let columns: Int
  public let stride: Int

  @inlinable public init(_ base: UnsafeMutablePointer<Element>, rows: Int, columns: Int, stride: Int? = nil) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }

  @inlinable public var isDense: Bool { stride == columns }

  /// All elements as one vector; the matrix must be dense.
  @inlinable public var vector: VectorView<Element> {
    precondition(isDense, "a matrix with stride \(stride) and \(columns) columns is not one vector")
    return VectorView(base, count: rows * columns)
  }

  @inlinable public subscript(row: Int, column: Int) -> Element {
    get { base[row * stride + column] }
    nonmutating set { base[row * stride + column] = newValue }
  }

  @inlinable public func row(_ index: Int) -> VectorView<Element> { VectorView(base + index * stride, count: columns) }

  @inlinable public func rows(_ range: Range<Int>) -> MatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return MatrixView(base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  @inlinable public func columns(_ range: Range<Int>) -> MatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
    return MatrixView(base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }
}
