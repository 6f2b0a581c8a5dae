import COpenBLAS
import Memory

/// How a product treats what its destination holds.
public enum Destination {
  case overwrite
  case accumulate
  @inlinable var beta: Float { self == .overwrite ? 0 : 1 }
}

/// Whether an operand is used as it lies or transposed.
public enum Orientation {
  case plain
  case transposed
}

/// `result (+)= scale · a · b`, with either operand transposed on the fly (OpenBLAS sgemm, fp32).
public func multiply(
  _ a: Matrix, _ aOrientation: Orientation = .plain, _ b: Matrix, _ bOrientation: Orientation = .plain,
  into result: Matrix, _ destination: Destination = .overwrite, scale: Float = 1
) {
  let (m, k) = aOrientation == .plain ? (a.rows, a.columns) : (a.columns, a.rows)
  let (kOfB, n) = bOrientation == .plain ? (b.rows, b.columns) : (b.columns, b.rows)
  precondition(
    k == kOfB && result.rows == m && result.columns == n,
    "product of \(m) x \(k) and \(kOfB) x \(n) into \(result.rows) x \(result.columns)")
  if m == 0 || n == 0 { return }
  cblas_sgemm(
    CblasRowMajor, aOrientation == .plain ? CblasNoTrans : CblasTrans, bOrientation == .plain ? CblasNoTrans : CblasTrans,
    blasint(m), blasint(n), blasint(k), scale, a.base, blasint(a.stride), b.base, blasint(b.stride),
    destination.beta, result.base, blasint(result.stride))
}

/// The threads that one process's matrix products use; normally cores / ranks on this node.
public func setProductThreads(_ count: Int) { openblas_set_num_threads(Int32(count)) }
