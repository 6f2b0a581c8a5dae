/// A run of `count` floats that somebody else owns (a buffer, an arena, a shared window).
///
/// Views are plain pointers with a length: free to copy, valid as long as their owner lives.
public struct Vector {
  public let base: UnsafeMutablePointer<Float>
  public let count: Int

  @inlinable public init(_ base: UnsafeMutablePointer<Float>, count: Int) {
    self.base = base
    self.count = count
  }

  @inlinable public subscript(index: Int) -> Float {
    get { base[index] }
    nonmutating set { base[index] = newValue }
  }

  @inlinable public subscript(range: Range<Int>) -> Vector {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "vector range \(range) of \(count)")
    return Vector(base + range.lowerBound, count: range.count)
  }

  /// The same storage as a dense matrix. `rows · columns` must equal `count`.
  @inlinable public func matrix(rows: Int, columns: Int) -> Matrix {
    precondition(rows * columns == count, "a vector of \(count) is not \(rows) x \(columns)")
    return Matrix(base, rows: rows, columns: columns)
  }

  @inlinable public func fill(_ value: Float) {
    base.update(repeating: value, count: count)
  }

  @inlinable public func copy(from other: Vector) {
    precondition(other.count == count, "copy of \(other.count) floats into \(count)")
    base.update(from: other.base, count: count)
  }

  public func copy(from values: [Float]) {
    precondition(values.count == count, "copy of \(values.count) floats into \(count)")
    values.withUnsafeBufferPointer { base.update(from: $0.baseAddress!, count: count) }
  }

  public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

/// A `rows × columns` window of row-major floats; consecutive rows are `stride` floats apart.
public struct Matrix {
  public let base: UnsafeMutablePointer<Float>
  public let rows: Int
  public let columns: Int
  public let stride: Int

  @inlinable public init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }

  @inlinable public var isDense: Bool { stride == columns }

  /// All elements as one vector; the matrix must be dense.
  @inlinable public var vector: Vector {
    precondition(isDense, "a matrix with stride \(stride) and \(columns) columns is not one vector")
    return Vector(base, count: rows * columns)
  }

  @inlinable public subscript(row: Int, column: Int) -> Float {
    get { base[row * stride + column] }
    nonmutating set { base[row * stride + column] = newValue }
  }

  @inlinable public func row(_ index: Int) -> Vector { Vector(base + index * stride, count: columns) }

  @inlinable public func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return Matrix(base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  @inlinable public func columns(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
    return Matrix(base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }
}
