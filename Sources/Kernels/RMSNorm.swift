import Memory

/// Added to the mean square.
private let epsilon: Float = 1e-6

/// RMS norm of each row without parameters: `y = x / sqrt(mean(x²))` (Zhang and Sennrich 2019).
///
/// - Parameters:
///   - x, y: `[n, d]`; `d` is a multiple of 16.
///   - factors: `[n]`: 1 / root mean square, kept for the backward pass.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func rmsNorm<Element: Scalar>(_ x: Matrix, into y: MatrixView<Element>, factors: Vector) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let d = x.columns
  precondition(d % 16 == 0 && y.columns == d && y.rows == x.rows && factors.count >= x.rows, "RMS norm of \(x)")
  for row in 0..<x.rows {
    let input = x.base + row * x.stride
    var squares = Lanes.zero
    for i in stride(from: 0, to: d, by: 16) {
      let v = Lanes.load(input + i)
      squares = squares.addingProduct(v, v)
    }
    factors[row] = 1 / (squares.total() / Float(d) + epsilon).squareRoot()
    scaled(x.row(row), by: factors[row], into: y.row(row))
  }
}

/// The same from factors that are already known: gives the same bits as `rmsNorm`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func rmsNormAgain<Element: Scalar>(_ x: Matrix, factors: Vector, into y: MatrixView<Element>) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  for row in 0..<x.rows { scaled(x.row(row), by: factors[row], into: y.row(row)) }
}

/// Backward of `rmsNorm`; adds to `dx`. With `n = x · factor`: `dx = factor · (dy - n · mean(dy · n))`.
public func rmsNormBackward(_ dy: Matrix, _ x: Matrix, factors: Vector, addingTo dx: Matrix) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let d = x.columns
  precondition(d % 16 == 0 && dy.columns == d && dx.columns == d && dy.rows == x.rows && dx.rows == x.rows)
  for row in 0..<x.rows {
    let (input, upstream, output) = (x.base + row * x.stride, dy.base + row * dy.stride, dx.base + row * dx.stride)
    let factor = factors[row]
    var dot = Lanes.zero
    for i in stride(from: 0, to: d, by: 16) { dot = dot.addingProduct(Lanes.load(upstream + i), Lanes.load(input + i)) }
    let mean = factor * dot.total() / Float(d)
    for i in stride(from: 0, to: d, by: 16) {
      let n = Lanes.load(input + i) * factor
      (Lanes.load(output + i) + (Lanes.load(upstream + i) - n * mean) * factor).store(output + i)
    }
  }
}
