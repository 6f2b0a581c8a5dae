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
  /// The sums of `a` with 1 or `CDNN_PANELS` panels of a packed matrix, `[rows of a, panels · 16]`.
  static func multiply(
    _ a: MatrixView<Self>, _ b: UnsafePointer<Self>, panels: Int, into sums: UnsafeMutablePointer<Float>)
  /// The numbers in this format: themselves, or rounded into the first elements of `storage`.
  static func rounded(_ values: Vector, into storage: VectorView<Self>) -> VectorView<Self>
}

extension Float: Scalar {
  @inline(__always) public static func load(_ pointer: UnsafePointer<Float>) -> SIMD16<Float> { .load(pointer) }
  @inline(__always) public static func store(_ lanes: SIMD16<Float>, to pointer: UnsafeMutablePointer<Float>) {
    lanes.store(pointer)
  }
  @inline(__always) public var float: Float { self }
  public static func multiply(
    _ a: Matrix, _ b: UnsafePointer<Float>, panels: Int, into sums: UnsafeMutablePointer<Float>
  ) {
    cdnn_panels_fp32(Int32(panels), Int32(a.rows), Int32(a.columns), a.base, a.stride, b, sums)
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

  public static func multiply(
    _ a: MatrixView<BFloat16>, _ b: UnsafePointer<BFloat16>, panels: Int, into sums: UnsafeMutablePointer<Float>
  ) {
    func bits(_ numbers: UnsafePointer<BFloat16>) -> UnsafePointer<UInt16> {
      UnsafeRawPointer(numbers).assumingMemoryBound(to: UInt16.self)
    }
    cdnn_panels_bf16(Int32(panels), Int32(a.rows), Int32(a.columns), bits(a.base), a.stride, bits(b), sums)
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

/// Each number in fp32.
public func widen(_ values: VectorView<BFloat16>, into result: Vector) {
  precondition(values.count == result.count, "widening \(values.count) numbers into \(result.count)")
  forEachRun(values.count) { i, count in BFloat16.load(values.base + i, first: count, fill: 0).store(result.base + i, first: count)
  }
}
