import CDNN
import COpenBLAS
import Memory

/// How a GEMM treats what its destination holds.
public enum Destination: Sendable {
  case overwrite
  case accumulate
}

/// An operand of a GEMM: a matrix as it lies, or transposed on the fly.
public protocol MatmulOperand<Element> {
  associatedtype Element: BitwiseCopyable
  var matrix: MatrixView<Element> { get }
  var isTransposed: Bool { get }
}

extension MatrixView: MatmulOperand {
  public var matrix: MatrixView { self }
  public var isTransposed: Bool { false }
  /// The matrix with rows and columns exchanged, to multiply with; nothing is moved.
  public var transposed: Transposed<Element> { Transposed(matrix: self) }
}

public struct Transposed<Element: BitwiseCopyable>: MatmulOperand {
  public let matrix: MatrixView<Element>
  public var isTransposed: Bool { true }
}

/// What a GEMM multiplies, and what it adds.
public struct GEMM<Element: BitwiseCopyable> {
  @usableFromInline let a, b: MatrixView<Element>
  @usableFromInline let aIsTransposed, bIsTransposed: Bool
  @usableFromInline let m, n, k: Int
  @usableFromInline let bias: Vector?
  @usableFromInline let residual: Matrix?

  var hasFewRows: Bool { m <= FewRows.most && !aIsTransposed }

  @usableFromInline init(
    _ a: MatrixView<Element>, transposed aIsTransposed: Bool, _ b: MatrixView<Element>, transposed bIsTransposed: Bool, m: Int,
    n: Int, k: Int, bias: Vector?, residual: Matrix?
  ) {
    (self.a, self.aIsTransposed, self.b, self.bIsTransposed) = (a, aIsTransposed, b, bIsTransposed)
    (self.m, self.n, self.k, self.bias, self.residual) = (m, n, k, bias, residual)
  }
}

/// `result (+)= a · b (+ bias) (+ residual)`, with sums in fp32: OpenBLAS for fp32 operands, oneDNN for bf16.
///
/// - Parameters:
///   - bias: added to every row.
///   - residual: a matrix of the result's shape; not the result itself: accumulate instead.
@inlinable public func matmul<Element: Scalar, Result: Scalar>(
  _ a: some MatmulOperand<Element>, _ b: some MatmulOperand<Element>, into result: MatrixView<Result>,
  _ destination: Destination = .overwrite, bias: Vector? = nil, residual: Matrix? = nil
) {
  let (m, k) = a.isTransposed ? (a.matrix.columns, a.matrix.rows) : (a.matrix.rows, a.matrix.columns)
  let (kOfB, n) = b.isTransposed ? (b.matrix.columns, b.matrix.rows) : (b.matrix.rows, b.matrix.columns)
  precondition(
    k == kOfB && result.rows == m && result.columns == n && bias?.count ?? n == n && residual?.rows ?? m == m
      && residual?.columns ?? n == n,
    "product of \(m) x \(k) and \(kOfB) x \(n) into \(result.rows) x \(result.columns)")
  if m == 0 || n == 0 { return }
  Element.gemm(
    GEMM(
      a.matrix, transposed: a.isTransposed, b.matrix, transposed: b.isTransposed, m: m, n: n, k: k, bias: bias,
      residual: residual), into: result, destination)
}

extension Float {
  public static func gemm<Result: Scalar>(
    _ o: GEMM<Float>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let span = KernelClock.begin(.matmul)
    defer { KernelClock.end(span) }
    if o.hasFewRows { return FewRows.gemm(o, into: result, destination) }
    guard let result = result as? Matrix else { preconditionFailure("products of fp32 give fp32") }
    cblas_sgemm(
      CblasRowMajor, o.aIsTransposed ? CblasTrans : CblasNoTrans, o.bIsTransposed ? CblasTrans : CblasNoTrans,
      blasint(o.m), blasint(o.n), blasint(o.k), 1, o.a.base, blasint(o.a.stride), o.b.base, blasint(o.b.stride),
      destination == .overwrite ? 0 : 1, result.base, blasint(result.stride))
    if o.bias == nil && o.residual == nil { return }
    for row in 0..<o.m {
      if let bias = o.bias { add(bias, to: result.row(row)) }
      if let residual = o.residual { add(residual.row(row), to: result.row(row)) }
    }
  }
}

extension BFloat16 {
  public static func gemm<Result: Scalar>(
    _ o: GEMM<BFloat16>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let span = KernelClock.begin(.matmul)
    defer { KernelClock.end(span) }
    if o.hasFewRows { return FewRows.gemm(o, into: result, destination) }
    func strides(_ matrix: MatrixView<BFloat16>, _ isTransposed: Bool) -> (row: Int32, column: Int32) {
      isTransposed ? (1, Int32(matrix.stride)) : (Int32(matrix.stride), 1)
    }
    let (a, b) = (strides(o.a, o.aIsTransposed), strides(o.b, o.bIsTransposed))
    var shape = cdnn_gemm_shape(
      m: Int32(o.m), n: Int32(o.n), k: Int32(o.k), a_row: a.row, a_column: a.column, b_row: b.row, b_column: b.column,
      result_row: Int32(result.stride), result_is_bf16: Result.self == BFloat16.self ? 1 : 0,
      accumulates: destination == .accumulate ? 1 : 0, has_bias: o.bias == nil ? 0 : 1,
      residual_row: Int32(o.residual?.stride ?? 0))
    func bits(_ matrix: MatrixView<BFloat16>) -> UnsafePointer<UInt16> {
      UnsafePointer(UnsafeRawPointer(matrix.base).assumingMemoryBound(to: UInt16.self))
    }
    let status = cdnn_gemm(&shape, bits(o.a), bits(o.b), o.bias?.base, o.residual?.base, result.base)
    precondition(status == 0, "oneDNN: product of \(o.m) x \(o.k) x \(o.n): \(String(cString: cdnn_status_name(status)))")
  }
}
