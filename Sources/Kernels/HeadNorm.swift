import Memory

/// RMS norm of each head's part of each row, in place: QK norm, which bounds attention's scores (Henry et al. 2020).
///
/// - Parameters:
///   - x: `[n, heads · size]`: queries or keys, heads side by side.
///   - length: root mean square that every part has afterwards.
///   - factors: `[n · heads]`: what each part was multiplied by, kept for the backward pass.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func headNorm<Element: Scalar>(_ x: MatrixView<Element>, heads: Int, length: Float, factors: Vector) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let size = x.columns / heads
  precondition(x.columns == heads * size && factors.count >= x.rows * heads, "\(heads) heads in rows of \(x.columns)")
  for row in 0..<x.rows {
    for head in 0..<heads {
      let part = x.base + row * x.stride + head * size
      var squares = Lanes.zero
      forEachRun(size) { i, count in
        let v = Element.load(part + i, first: count, fill: 0)
        squares = squares.addingProduct(v, v)
      }
      // Added to the mean square: no part is divided by 0.
      let factor = length / (squares.total() / Float(size) + 1e-6).squareRoot()
      factors[row * heads + head] = factor
      forEachRun(size) { i, count in
        Element.store(Element.load(part + i, first: count, fill: 0) * factor, to: part + i, first: count)
      }
    }
  }
}

/// Backward of `headNorm`, in place: turns the gradient of what it gave, `y`, into that of its input.
///
/// With `y = factor · x` and root mean square `length`: `dx = factor · (dy - y · mean(dy · y) / length²)`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func headNormBackward<Element: Scalar>(
  _ dy: MatrixView<Element>, _ y: MatrixView<Element>, heads: Int, length: Float, factors: Vector
) {
  let span = KernelClock.begin(.norms)
  defer { KernelClock.end(span) }
  let size = y.columns / heads
  precondition(dy.columns == y.columns && dy.rows == y.rows, "gradient of \(dy.rows) x \(dy.columns) for \(y.rows) x \(y.columns)")
  for row in 0..<y.rows {
    for head in 0..<heads {
      let (gradient, part) = (dy.base + row * dy.stride + head * size, y.base + row * y.stride + head * size)
      var dot = Lanes.zero
      forEachRun(size) { i, count in
        dot = dot.addingProduct(Element.load(gradient + i, first: count, fill: 0), Element.load(part + i, first: count, fill: 0))
      }
      let share = dot.total() / (Float(size) * length * length)
      let factor = factors[row * heads + head]
      forEachRun(size) { i, count in
        let change = Element.load(gradient + i, first: count, fill: 0) - Element.load(part + i, first: count, fill: 0) * share
        Element.store(change * factor, to: gradient + i, first: count)
      }
    }
  }
}
