import Memory

/// `x[r] += bias` for every row; `columns` is a multiple of 16.
public func addBias(_ bias: Vector, to x: Matrix) {
  precondition(x.columns % 16 == 0 && bias.count == x.columns, "bias of \(bias.count) for \(x.columns) columns")
  for row in 0..<x.rows {
    let target = x.base + row * x.stride
    for i in stride(from: 0, to: x.columns, by: 16) {
      (Lanes.load(target + i) + Lanes.load(bias.base + i)).store(target + i)
    }
  }
}

/// Backward of `addBias`: adds the column sums of `dy` to `dBias`.
public func addBiasBackward(_ dy: Matrix, addingTo dBias: Vector) {
  precondition(dy.columns % 16 == 0 && dBias.count == dy.columns, "bias of \(dBias.count) for \(dy.columns) columns")
  for row in 0..<dy.rows {
    let source = dy.base + row * dy.stride
    for i in stride(from: 0, to: dy.columns, by: 16) {
      (Lanes.load(dBias.base + i) + Lanes.load(source + i)).store(dBias.base + i)
    }
  }
}

/// `y = residual + x + bias`: the end of a residual block. `y` may be `x`.
public func addBiasAndResidual(_ x: Matrix, bias: Vector, residual: Matrix, into y: Matrix) {
  precondition(x.columns % 16 == 0 && bias.count == x.columns && residual.rows == x.rows && y.rows == x.rows)
  for row in 0..<x.rows {
    let source = x.base + row * x.stride
    let skip = residual.base + row * residual.stride
    let target = y.base + row * y.stride
    for i in stride(from: 0, to: x.columns, by: 16) {
      (Lanes.load(skip + i) + (Lanes.load(source + i) + Lanes.load(bias.base + i))).store(target + i)
    }
  }
}

/// 1 / (1 + e^-x)
@inline(__always) func sigmoid(_ x: Lanes) -> Lanes { 1 / (1 + exponential(-x)) }

/// `y = x · sigmoid(1.702 x)`, the quick GELU of GPT-era models. Dense, count a multiple of 16.
public func quickGELU(_ x: Vector, into y: Vector) {
  precondition(x.count % 16 == 0 && y.count == x.count)
  for i in stride(from: 0, to: x.count, by: 16) {
    let v = Lanes.load(x.base + i)
    (v * sigmoid(v * 1.702)).store(y.base + i)
  }
}

/// Backward of `quickGELU`: overwrites `dy` with the gradient of `x`.
public func quickGELUBackward(_ dy: Vector, _ x: Vector) {
  precondition(x.count % 16 == 0 && dy.count == x.count)
  for i in stride(from: 0, to: x.count, by: 16) {
    let v = Lanes.load(x.base + i)
    let s = sigmoid(v * 1.702)
    (Lanes.load(dy.base + i) * (s + v * 1.702 * s * (1 - s))).store(dy.base + i)
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
