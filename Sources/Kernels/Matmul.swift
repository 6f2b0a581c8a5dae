import CDNN
import COpenBLAS
import Memory

/// How a GEMM treats what its destination holds.
public enum Destination: Sendable {
  case overwrite
  case accumulate
}

/// Which operands of a GEMM are transposed on the fly; nothing is moved.
public struct Operands: OptionSet, Sendable {
  public let rawValue: Int
  @inlinable public init(rawValue: Int) { self.rawValue = rawValue }
  @inlinable public static var first: Operands { Operands(rawValue: 1) }
  @inlinable public static var second: Operands { Operands(rawValue: 2) }
}

/// What a GEMM multiplies, and what it adds: `[m, k] · [k, n]`, after transposing.
public struct GEMM<Element: BitwiseCopyable> {
  @usableFromInline let a, b: MatrixView<Element>
  @usableFromInline let transposed: Operands
  @usableFromInline let m, n, k: Int
  @usableFromInline let bias: Vector?
  @usableFromInline let residual: Matrix?

  @usableFromInline init(
    _ a: MatrixView<Element>, _ b: MatrixView<Element>, transposing transposed: Operands, bias: Vector?, residual: Matrix?
  ) {
    (m, k) = transposed.contains(.first) ? (a.columns, a.rows) : (a.rows, a.columns)
    let (kOfB, n) = transposed.contains(.second) ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(k == kOfB, "GEMM of \(m) x \(k) and \(kOfB) x \(n)")
    (self.a, self.b, self.transposed, self.n) = (a, b, transposed, n)
    (self.bias, self.residual) = (bias, residual)
  }
}

/// `result (+)= a · b (+ bias) (+ residual)`, with sums in fp32: OpenBLAS for fp32 operands; for bf16 oneDNN, or OpenBLAS where the CPU
/// multiplies bf16 no faster than fp32.
///
/// - Parameters:
///   - transposing: the operands that are multiplied with their rows and columns exchanged.
///   - bias: added to every row.
///   - residual: a matrix of the result's shape; not the result itself: accumulate instead.
@inlinable public func matmul<Element: Scalar, Result: Scalar>(
  _ a: MatrixView<Element>, _ b: MatrixView<Element>, transposing: Operands = [], into result: MatrixView<Result>,
  _ destination: Destination = .overwrite, bias: Vector? = nil, residual: Matrix? = nil
) {
  let gemm = GEMM(a, b, transposing: transposing, bias: bias, residual: residual)
  precondition(
    result.rows == gemm.m && result.columns == gemm.n && bias?.count ?? gemm.n == gemm.n && residual?.rows ?? gemm.m == gemm.m
      && residual?.columns ?? gemm.n == gemm.n,
    "GEMM of \(gemm.m) x \(gemm.n) into \(result.rows) x \(result.columns)")
  if gemm.m == 0 || gemm.n == 0 { return }
  Element.gemm(gemm, into: result, destination)
}

/// Chosen before the first product.
private let fittingKernels: Void = copenblas_fit_kernels()

extension Float {
  public static func gemm<Result: Scalar>(
    _ o: GEMM<Float>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let span = KernelClock.begin(.matmul)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    guard let result = result as? Matrix else { preconditionFailure("GEMMs of fp32 give fp32") }
    multiply(o.a, o.b, transposing: o.transposed, into: result, destination)
    if o.bias == nil && o.residual == nil { return }
    for row in 0..<o.m {
      if let bias = o.bias { add(bias, to: result.row(row)) }
      if let residual = o.residual { add(residual.row(row), to: result.row(row)) }
    }
  }

  static func multiply(
    _ a: Matrix, _ b: Matrix, transposing transposed: Operands, into result: Matrix, _ destination: Destination
  ) {
    _ = fittingKernels
    cblas_sgemm(
      CblasRowMajor, transposed.contains(.first) ? CblasTrans : CblasNoTrans,
      transposed.contains(.second) ? CblasTrans : CblasNoTrans,
      blasint(result.rows), blasint(result.columns), blasint(transposed.contains(.first) ? a.rows : a.columns), 1, a.base,
      blasint(a.stride), b.base, blasint(b.stride), destination == .overwrite ? 0 : 1, result.base, blasint(result.stride))
  }
}

extension BFloat16 {
  public static func gemm<Result: Scalar>(
    _ o: GEMM<BFloat16>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let span = KernelClock.begin(.matmul)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    if Precision.fastest == .fp32 { return WidenedGEMM.multiply(o, into: result, destination) }
    func strides(_ matrix: MatrixView<BFloat16>, _ isTransposed: Bool) -> (row: Int32, column: Int32) {
      isTransposed ? (1, Int32(matrix.stride)) : (Int32(matrix.stride), 1)
    }
    let (a, b) = (strides(o.a, o.transposed.contains(.first)), strides(o.b, o.transposed.contains(.second)))
    var shape = cdnn_gemm_shape(
      m: Int32(o.m), n: Int32(o.n), k: Int32(o.k), a_row: a.row, a_column: a.column, b_row: b.row, b_column: b.column,
      result_row: Int32(result.stride), result_is_bf16: Result.self == BFloat16.self ? 1 : 0,
      accumulates: destination == .accumulate ? 1 : 0, has_bias: o.bias == nil ? 0 : 1,
      residual_row: Int32(o.residual?.stride ?? 0))
    func bits(_ matrix: MatrixView<BFloat16>) -> UnsafePointer<UInt16> {
      UnsafePointer(UnsafeRawPointer(matrix.base).assumingMemoryBound(to: UInt16.self))
    }
    let status = cdnn_gemm(&shape, bits(o.a), bits(o.b), o.bias?.base, o.residual?.base, result.base)
    checkOneDNN(status, "a GEMM of \(o.m) x \(o.k) x \(o.n)")
  }
}
