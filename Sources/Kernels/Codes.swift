import Memory
import Tokens

/// y[p] = the column `codes[p]` of `weights` plus `bias`: a 1x1 convolution of one-hot vectors.
/// weights `[outputs, vocabulary]`, y `[positions, outputs]`. Every code must be below the vocabulary's size.
public func selectColumns(_ codes: UnsafePointer<Token>, _ weights: Matrix, bias: Vector, into y: Matrix) {
  precondition(
    weights.rows == y.columns && bias.count == y.columns,
    "columns of \(weights.rows) with \(bias.count) biases into \(y.columns)")
  for position in 0..<y.rows {
    let code = Int(codes[position])
    precondition(code < weights.columns, "code \(code) of \(weights.columns)")
    let row = y.base + position * y.stride
    for output in 0..<y.columns { row[output] = weights.base[output &* weights.stride &+ code] + bias.base[output] }
  }
}

/// The sum of all values: fp32 in runs of 1024, then Double, in an order that depends on the count alone.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func total<Element: Scalar>(_ values: VectorView<Element>) -> Double {
  let (base, count) = (values.base, values.count)
  var result = 0.0
  var start = 0
  while start < count {
    let end = min(count, start &+ 1024)
    var sum = Lanes.zero
    var i = start
    while i < end {
      sum += Element.load(base + i, first: min(16, end &- i), fill: 0)
      i &+= 16
    }
    result += Double(sum.sum())
    start = end
  }
  return result
}
