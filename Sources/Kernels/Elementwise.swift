import Memory

/// Gradient of a bias that was added to every row: adds the column sums of `dy` to `dBias`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func biasBackward<Element: Scalar>(_ dy: MatrixView<Element>, addingTo dBias: Vector) {
  let span = KernelClock.begin(.biases)
  defer { KernelClock.end(span) }
  precondition(dBias.count == dy.columns, "bias of \(dBias.count) for \(dy.columns) columns")
  for row in 0..<dy.rows {
    let source = dy.base + row * dy.stride
    var i = 0
    while i + 16 <= dy.columns {
      (Lanes.load(dBias.base + i) + Element.load(source + i)).store(dBias.base + i)
      i += 16
    }
    while i < dy.columns {
      dBias[i] += source[i].float
      i += 1
    }
  }
}

/// 1 / (1 + e^-x)
@inline(__always) func sigmoid(_ x: Lanes) -> Lanes { 1 / (1 + exponential(-x)) }

/// `y = x · sigmoid(1.702 x)`, the quick GELU of GPT-era models. Dense, count a multiple of 16.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func quickGELU<Element: Scalar>(_ x: VectorView<Element>, into y: VectorView<Element>) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(x.count % 16 == 0 && y.count == x.count)
  for i in stride(from: 0, to: x.count, by: 16) {
    let v = Element.load(x.base + i)
    Element.store(v * sigmoid(v * 1.702), to: y.base + i)
  }
}

/// Backward of `quickGELU`, in one pass: overwrites `dy` with the gradient of `x`, adds its column sums to the gradient of the bias
/// that was added to `x`, and gives `y` again. All dense, columns a multiple of 16.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func quickGELUBackward<Element: Scalar>(
  _ dy: MatrixView<Element>, _ x: MatrixView<Element>, again y: MatrixView<Element>, addingTo dBias: Vector
) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  let columns = x.columns
  precondition(columns % 16 == 0 && dBias.count == columns && dy.rows == x.rows && y.rows == x.rows, "activation of \(x)")
  for row in 0..<x.rows {
    let (dy, x, y) = (dy.row(row).base, x.row(row).base, y.row(row).base)
    for i in stride(from: 0, to: columns, by: 16) {
      let v = Element.load(x + i)
      let s = sigmoid(v * 1.702)
      let gradient = Element.load(dy + i) * (s + v * 1.702 * s * (1 - s))
      Element.store(v * s, to: y + i)
      Element.store(gradient, to: dy + i)
      (Lanes.load(dBias.base + i) + gradient).store(dBias.base + i)
    }
  }
}

/// `y = max(0, x)²` (So et al. 2021). Dense, count a multiple of 16.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func squaredReLU<Element: Scalar>(_ x: VectorView<Element>, into y: VectorView<Element>) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(x.count % 16 == 0 && y.count == x.count)
  for i in stride(from: 0, to: x.count, by: 16) {
    let v = Element.load(x.base + i).larger(.zero)
    Element.store(v * v, to: y.base + i)
  }
}

/// Backward of `squaredReLU`, in one pass: overwrites `dy` with the gradient of `x`, and gives `y` again.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func squaredReLUBackward<Element: Scalar>(
  _ dy: VectorView<Element>, _ x: VectorView<Element>, again y: VectorView<Element>
) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(x.count % 16 == 0 && y.count == x.count && dy.count == x.count)
  for i in stride(from: 0, to: x.count, by: 16) {
    let v = Element.load(x.base + i).larger(.zero)
    Element.store(v * v, to: y.base + i)
    Element.store(Element.load(dy.base + i) * (2 * v), to: dy.base + i)
  }
}

/// `y += x`.
public func add(_ x: Vector, to y: Vector) {
  precondition(x.count == y.count, "adding \(x.count) floats to \(y.count)")
  var i = 0
  while i + 16 <= x.count {
    (Lanes.load(y.base + i) + Lanes.load(x.base + i)).store(y.base + i)
    i += 16
  }
  while i < x.count {
    y[i] += x[i]
    i += 1
  }
}

/// `y = factor · x`, which may be `y`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func scaled<Element: Scalar>(_ x: Vector, by factor: Float, into y: VectorView<Element>) {
  var i = 0
  while i + 16 <= x.count {
    Element.store(Lanes.load(x.base + i) * factor, to: y.base + i)
    i += 16
  }
  while i < x.count {
    y[i] = Element(x[i] * factor)
    i += 1
  }
}

/// `Σ a · b`.
@inline(__always) func dot<Element: Scalar>(_ a: VectorView<Element>, _ b: VectorView<Element>) -> Float {
  let (count, a, b) = (a.count, a.base, b.base)
  // Four sums that do not wait for each other.
  var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  var i = 0
  while i + 64 <= count {
    sums.0 = sums.0.addingProduct(Element.load(a + i), Element.load(b + i))
    sums.1 = sums.1.addingProduct(Element.load(a + i + 16), Element.load(b + i + 16))
    sums.2 = sums.2.addingProduct(Element.load(a + i + 32), Element.load(b + i + 32))
    sums.3 = sums.3.addingProduct(Element.load(a + i + 48), Element.load(b + i + 48))
    i += 64
  }
  while i < count {
    let n = min(16, count - i)
    sums.0 = sums.0.addingProduct(Element.load(a + i, first: n, fill: 0), Element.load(b + i, first: n, fill: 0))
    i += 16
  }
  return ((sums.0 + sums.1) + (sums.2 + sums.3)).total()
}
