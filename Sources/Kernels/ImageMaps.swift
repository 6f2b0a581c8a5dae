import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// The image that location maps mu `[3, positions]` describe, as encoders take it: sigmoid(mu), `[positions, 3]`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func imageOfMaps<Element: Scalar>(_ mu: Matrix, into image: VectorView<Element>) {
  precondition(mu.rows == 3 && image.count == 3 * mu.columns, "\(mu.rows) planes of \(mu.columns) into \(image.count) values")
  for channel in 0..<3 {
    let plane = mu.row(channel).base
    let target = image.base + channel
    forEachRun(mu.columns) { i, count in
      let x = sigmoid(Lanes.load(plane + i, first: count, fill: 0))
      for lane in 0..<count { target[3 &* (i &+ lane)] = Element(x[lane]) }
    }
  }
}

/// Backward of `imageOfMaps`: overwrites `dMu` with `dImage · x (1 - x)`.
public func imageOfMapsBackward(_ dImage: Vector, _ mu: Matrix, into dMu: Matrix) {
  precondition(
    mu.rows == 3 && dMu.rows == 3 && dMu.columns == mu.columns && dImage.count == 3 * mu.columns,
    "the gradient of \(dImage.count) values for \(mu.rows) planes of \(mu.columns)")
  for channel in 0..<3 {
    let (plane, target) = (mu.row(channel).base, dMu.row(channel).base)
    let source = dImage.base + channel
    forEachRun(mu.columns) { i, count in
      let x = sigmoid(Lanes.load(plane + i, first: count, fill: 0))
      var gradient = Lanes.zero
      for lane in 0..<count { gradient[lane] = source[3 &* (i &+ lane)] }
      (gradient * x * (1 - x)).store(target + i, first: count)
    }
  }
}

/// Adds `source` to `target`, scaled so that its norm is `share` of that of `target`. A source of zeros adds nothing; one with what
/// is not a number makes the target such.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func addInProportion<Element: Scalar>(_ source: Matrix, to target: MatrixView<Element>, share: Float) {
  precondition(source.rows == target.rows && source.columns == target.columns, "\(source) to \(target)")
  let (ours, theirs) = (squares(source), squares(target))
  if ours == 0 { return }
  let scale = share * Float((theirs / ours).squareRoot())
  for row in 0..<source.rows {
    let (x, y) = (source.row(row).base, target.row(row).base)
    forEachRun(source.columns) { i, count in
      let sum = Element.load(y + i, first: count, fill: 0).addingProduct(
        Lanes.load(x + i, first: count, fill: 0), Lanes(repeating: scale))
      Element.store(sum, to: y + i, first: count)
    }
  }
}

@specialized(where Element == Float)
@specialized(where Element == BFloat16)
private func squares<Element: Scalar>(_ matrix: MatrixView<Element>) -> Double {
  var total = 0.0
  for row in 0..<matrix.rows {
    let values = matrix.row(row).base
    var start = 0
    // fp32 sums of at most 64 terms a lane go into the Double.
    while start < matrix.columns {
      let end = min(matrix.columns, start &+ 1024)
      var sum = Lanes.zero
      var i = start
      while i < end {
        let value = Element.load(values + i, first: min(16, end &- i), fill: 0)
        sum = sum.addingProduct(value, value)
        i &+= 16
      }
      total += Double(sum.sum())
      start = end
    }
  }
  return total
}

/// The distance of two vectors per value, and its gradient with respect to `x`: overwrites `y` with `scale · sign(x - y)`, and returns
/// the mean of |x - y|.
public func meanDistance(_ x: Vector, _ y: Vector, scale: Float) -> Double {
  precondition(x.count == y.count && x.count > 0, "the distance of \(x.count) and \(y.count) values")
  var total = 0.0
  var start = 0
  while start < x.count {
    let end = min(x.count, start &+ 1024)
    var sum = Lanes.zero
    var i = start
    while i < end {
      let count = min(16, end &- i)
      let difference = Lanes.load(x.base + i, first: count, fill: 0) - Lanes.load(y.base + i, first: count, fill: 0)
      let sign = Lanes.zero.replacing(with: Lanes(repeating: scale), where: difference .> 0).replacing(
        with: Lanes(repeating: -scale), where: difference .< 0)
      sum += difference.larger(-difference)
      sign.store(y.base + i, first: count)
      i &+= 16
    }
    total += Double(sum.sum())
    start = end
  }
  return total / Double(x.count)
}
