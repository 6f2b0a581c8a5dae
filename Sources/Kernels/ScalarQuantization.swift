import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// Finite scalar quantization (Mentzer et al. 2023): each value of a short vector is bounded to -1...1 by tanh and rounded to the middle of
/// one of `levels[i]` intervals of equal width. The intervals' numbers are the digits of one code, the first digit the lowest.
///
/// Replaces a row of `z` by its tanh, writes the middles into `values`, and returns the code. A value that is not a number stays one, as
/// digit 0.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func quantize<Element: Scalar>(_ z: Vector, levels: [Int], into values: VectorView<Element>) -> Int {
  precondition(
    z.count == levels.count && values.count == levels.count, "\(z.count) values into \(values.count) of \(levels.count) levels")
  var code = 0
  var place = 1
  for (index, count) in levels.enumerated() {
    let bounded = tanhf(z[index])
    z[index] = bounded
    let digit = bounded.isNaN ? 0 : min(count - 1, Int((bounded + 1) / 2 * Float(count)))
    values[index] = Element(bounded.isNaN ? bounded : middle(digit, of: count))
    code += digit * place
    place *= count
  }
  return code
}

/// The values that `quantize` writes for a code, which must be below the product of the levels.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func dequantize<Element: Scalar>(_ code: Int, levels: [Int], into values: VectorView<Element>) {
  precondition(values.count == levels.count, "\(levels.count) levels into \(values.count) values")
  var rest = code
  for (index, count) in levels.enumerated() {
    values[index] = Element(middle(rest % count, of: count))
    rest /= count
  }
  precondition(rest == 0, "code \(code) for levels \(levels)")
}

/// The straight-through gradient: that of the tanh alone, as if nothing were rounded. `bounded` is what `quantize` left in place of z.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func quantizeBackward<Element: Scalar>(_ dValues: Vector, bounded: Vector, into dz: VectorView<Element>) {
  precondition(dValues.count == bounded.count && dz.count == bounded.count, "\(dValues.count), \(dz.count) for \(bounded.count)")
  for index in 0..<bounded.count { dz[index] = Element(dValues[index] * (1 - bounded[index] * bounded[index])) }
}

/// The middle of interval `digit` of `count` in -1...1.
private func middle(_ digit: Int, of count: Int) -> Float { Float(2 * digit + 1) / Float(count) - 1 }
