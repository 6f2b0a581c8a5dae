import CDNN
import CLanes
import Memory

/// A format of activations and GEMM operands; computations with them are in fp32.
public protocol Scalar: BitwiseCopyable, Sendable {
  static func load(_ pointer: UnsafePointer<Self>) -> SIMD16<Float>
  static func store(_ lanes: SIMD16<Float>, to pointer: UnsafeMutablePointer<Self>)
  init(_ value: Float)
  var float: Float { get }

  /// `result (+)= a · b (+ bias) (+ residual)` with sums in fp32; see `matmul`.
  static func gemm<Result: Scalar>(
    _ operands: GEMM<Self>, into result: MatrixView<Result>, _ destination: Destination)
  /// The sums of `RowGEMM`: `result[row · stride + column] = Σ a[row, i] · b[column, i]` over the first `count` columns of both.
  static func sumRows(
    _ a: MatrixView<Self>, _ b: MatrixView<Self>, count: Int, into result: UnsafeMutablePointer<Float>, stride: Int)
  /// The numbers in this format: themselves, or rounded into the first elements of `storage`.
  static func rounded(_ values: Vector, into storage: VectorView<Self>) -> VectorView<Self>
}

extension Float: Scalar {
  @inline(__always) public static func load(_ pointer: UnsafePointer<Float>) -> SIMD16<Float> { .load(pointer) }
  @inline(__always) public static func store(_ lanes: SIMD16<Float>, to pointer: UnsafeMutablePointer<Float>) {
    lanes.store(pointer)
  }
  @inline(__always) public var float: Float { self }
  public static func sumRows(_ a: Matrix, _ b: Matrix, count: Int, into result: UnsafeMutablePointer<Float>, stride: Int) {
    cdnn_rows_fp32(Int32(a.rows), Int32(b.rows), Int32(count), a.base, a.stride, b.base, b.stride, result, stride)
  }
  public static func rounded(_ values: Vector, into storage: Vector) -> Vector { values }
}

extension BFloat16: Scalar {
  @inlinable @inline(__always) public static func load(_ pointer: UnsafePointer<BFloat16>) -> SIMD16<Float> {
    lanes_widened(UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<UInt16>.self))
  }

  @inlinable @inline(__always) public static func store(_ lanes: SIMD16<Float>, to pointer: UnsafeMutablePointer<BFloat16>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: lanes_rounded(lanes), as: SIMD16<UInt16>.self)
  }

  public static func sumRows(
    _ a: MatrixView<BFloat16>, _ b: MatrixView<BFloat16>, count: Int, into result: UnsafeMutablePointer<Float>, stride: Int
  ) {
    func bits(_ matrix: MatrixView<BFloat16>) -> UnsafePointer<UInt16> {
      UnsafePointer(UnsafeRawPointer(matrix.base).assumingMemoryBound(to: UInt16.self))
    }
    cdnn_rows_bf16(Int32(a.rows), Int32(b.rows), Int32(count), bits(a), a.stride, bits(b), b.stride, result, stride)
  }

  public static func rounded(_ values: Vector, into storage: VectorView<BFloat16>) -> VectorView<BFloat16> {
    let result = storage[0..<values.count]
    round(values, into: result)
    return result
  }
}

/// Each number in bf16.
public func round(_ values: Vector, into result: VectorView<BFloat16>) {
  let span = KernelClock.begin(.rounding)
  defer { KernelClock.end(span) }
  precondition(values.count == result.count, "rounding \(values.count) floats into \(result.count)")
  var i = 0
  while i + 16 <= values.count {
    BFloat16.store(Lanes.load(values.base + i), to: result.base + i)
    i += 16
  }
  while i < values.count {
    result[i] = BFloat16(values[i])
    i += 1
  }
}
