import COpenBLAS
import Memory

/// How a product treats what its destination holds.
public enum Destination {
  case overwrite
  case accumulate
}

/// An operand of a product: a matrix as it lies, or transposed on the fly.
public protocol ProductOperand {
  var matrix: Matrix { get }
  var isTransposed: Bool { get }
}

extension Matrix: ProductOperand {
  public var matrix: Matrix { self }
  public var isTransposed: Bool { false }
  /// The matrix with rows and columns exchanged, to multiply with; nothing is moved.
  public var transposed: Transposed { Transposed(matrix: self) }
}

public struct Transposed: ProductOperand {
  public let matrix: Matrix
  public var isTransposed: Bool { true }
}

/// `result (+)= scale · a · b` (OpenBLAS sgemm, fp32).
public func multiply(
  _ a: some ProductOperand, _ b: some ProductOperand, into result: Matrix, _ destination: Destination = .overwrite,
  scale: Float = 1
) {
  let (m, k) = a.isTransposed ? (a.matrix.columns, a.matrix.rows) : (a.matrix.rows, a.matrix.columns)
  let (kOfB, n) = b.isTransposed ? (b.matrix.columns, b.matrix.rows) : (b.matrix.rows, b.matrix.columns)
  precondition(
    k == kOfB && result.rows == m && result.columns == n,
    "product of \(m) x \(k) and \(kOfB) x \(n) into \(result.rows) x \(result.columns)")
  if m == 0 || n == 0 { return }
  cblas_sgemm(
    CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
    blasint(m), blasint(n), blasint(k), scale, a.matrix.base, blasint(a.matrix.stride), b.matrix.base,
    blasint(b.matrix.stride), destination == .overwrite ? 0 : 1, result.base, blasint(result.stride))
}
