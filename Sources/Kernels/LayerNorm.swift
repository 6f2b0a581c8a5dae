import Memory

/// Added to the variance, as PyTorch's default.
let layerNormEpsilon: Float = 1e-5

/// Layer norm of each row: `y = (x - mean) / std · weight + bias`.
///
/// - Parameters:
///   - x: `[n, d]`; `d` is a multiple of 16.
///   - y: `[n, d]`.
///   - means, rstds: `[n]`, kept for the backward pass.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func layerNorm<Element: Scalar>(
  _ x: Matrix, weight: Vector, bias: Vector, into y: MatrixView<Element>, mean means: Vector, rstd rstds: Vector
) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let d = x.columns
  precondition(d % 16 == 0 && weight.count == d && bias.count == d && y.columns == d && y.rows == x.rows, "layer norm of \(x)")
  for row in 0..<x.rows {
    let input = x.base + row * x.stride
    var sum = Lanes.zero
    for i in stride(from: 0, to: d, by: 16) { sum += Lanes.load(input + i) }
    let mean = sum.total() / Float(d)
    var squares = Lanes.zero
    for i in stride(from: 0, to: d, by: 16) {
      let centered = Lanes.load(input + i) - mean
      squares = squares.addingProduct(centered, centered)
    }
    let inverse = 1 / (squares.total() / Float(d) + layerNormEpsilon).squareRoot()
    means[row] = mean
    rstds[row] = inverse
    normalizeRow(input, mean, inverse, weight, bias, into: y.base + row * y.stride)
  }
}

/// The same from statistics that are already known: gives the same bits as `layerNorm`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func layerNormAgain<Element: Scalar>(
  _ x: Matrix, weight: Vector, bias: Vector, mean means: Vector, rstd rstds: Vector, into y: MatrixView<Element>
) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  for row in 0..<x.rows {
    normalizeRow(x.base + row * x.stride, means[row], rstds[row], weight, bias, into: y.base + row * y.stride)
  }
}

@inline(__always) private func normalizeRow<Element: Scalar>(
  _ input: UnsafePointer<Float>, _ mean: Float, _ inverse: Float, _ weight: Vector, _ bias: Vector,
  into output: UnsafeMutablePointer<Element>
) {
  for i in stride(from: 0, to: weight.count, by: 16) {
    let normalized = (Lanes.load(input + i) - mean) * inverse
    Element.store(Lanes.load(bias.base + i).addingProduct(normalized, Lanes.load(weight.base + i)), to: output + i)
  }
}

/// Backward of `layerNorm`. Adds to `dx`, `dWeight` and `dBias`.
///
/// With `n = (x - mean) / std` and `g = dy · weight`: `dx = (g - mean(g) - n · mean(g · n)) / std`.
public func layerNormBackward(
  _ dy: Matrix, _ x: Matrix, weight: Vector, mean means: Vector, rstd rstds: Vector, addingTo dx: Matrix, dWeight: Vector,
  dBias: Vector
) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let d = x.columns
  precondition(d % 16 == 0 && dy.columns == d && dx.columns == d && dy.rows == x.rows && dx.rows == x.rows)
  for row in 0..<x.rows {
    let input = x.base + row * x.stride
    let upstream = dy.base + row * dy.stride
    let output = dx.base + row * dx.stride
    let mean = means[row]
    let inverse = rstds[row]
    var sum = Lanes.zero
    var dot = Lanes.zero
    for i in stride(from: 0, to: d, by: 16) {
      let n = (Lanes.load(input + i) - mean) * inverse
      let up = Lanes.load(upstream + i)
      let g = up * Lanes.load(weight.base + i)
      sum += g
      dot = dot.addingProduct(g, n)
      Lanes.load(dWeight.base + i).addingProduct(up, n).store(dWeight.base + i)
      (Lanes.load(dBias.base + i) + up).store(dBias.base + i)
    }
    let meanOfG = sum.total() / Float(d)
    let meanOfGN = dot.total() / Float(d)
    for i in stride(from: 0, to: d, by: 16) {
      let n = (Lanes.load(input + i) - mean) * inverse
      let g = Lanes.load(upstream + i) * Lanes.load(weight.base + i)
      let change = (g - meanOfG - n * meanOfGN) * inverse
      (Lanes.load(output + i) + change).store(output + i)
    }
  }
}
