import Memory

/// `y += factor · x`, each in its own format.
@specialized(where X == Float, Y == Float)
@specialized(where X == BFloat16, Y == BFloat16)
@specialized(where X == BFloat16, Y == Float)
@specialized(where X == Float, Y == BFloat16)
public func addScaled<X: Scalar, Y: Scalar>(_ x: MatrixView<X>, by factor: Float, to y: MatrixView<Y>) {
  let span = KernelClock.begin(.shortcuts)
  defer { KernelClock.end(span) }
  precondition(x.rows == y.rows && x.columns == y.columns, "adding \(x.rows) x \(x.columns) to \(y.rows) x \(y.columns)")
  for row in 0..<x.rows {
    let (source, target) = (x.base + row * x.stride, y.base + row * y.stride)
    forEachRun(x.columns) { i, count in
      let sum = Y.load(target + i, first: count, fill: 0)
        .addingProduct(X.load(source + i, first: count, fill: 0), Lanes(repeating: factor))
      Y.store(sum, to: target + i, first: count)
    }
  }
}

/// `Σ a · b`: the gradient of a factor that multiplies one of them. Rows are added up in Double.
@specialized(where A == Float, B == Float)
@specialized(where A == BFloat16, B == BFloat16)
public func innerProduct<A: Scalar, B: Scalar>(_ a: MatrixView<A>, _ b: MatrixView<B>) -> Float {
  let span = KernelClock.begin(.shortcuts)
  defer { KernelClock.end(span) }
  precondition(a.rows == b.rows && a.columns == b.columns, "\(a.rows) x \(a.columns) by \(b.rows) x \(b.columns)")
  var total = 0.0
  for row in 0..<a.rows {
    let (left, right) = (a.base + row * a.stride, b.base + row * b.stride)
    var sum = Lanes.zero
    forEachRun(a.columns) { i, count in
      sum = sum.addingProduct(A.load(left + i, first: count, fill: 0), B.load(right + i, first: count, fill: 0))
    }
    total += Double(sum.total())
  }
  return Float(total)
}
