import CLanes

#if canImport(Glibc)
  import Glibc
#endif

/// Sixteen floats at a time: the transcendental functions that activations, softmax and losses need.
/// Polynomials after Cephes (expf, logf); the errors stated are proven by tests against Double.
@usableFromInline typealias Lanes = SIMD16<Float>

extension SIMD16<Float> {
  @inline(__always) @inlinable static func load(_ pointer: UnsafePointer<Float>) -> Self {
    UnsafeRawPointer(pointer).loadUnaligned(as: Self.self)
  }

  @inline(__always) @inlinable func store(_ pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Self.self)
  }

  /// Lane by lane the larger of the two; where a lane of `other` is NaN, this one's.
  @inline(__always) func larger(_ other: Self) -> Self { replacing(with: other, where: other .> self) }

  /// Sum of the lanes, in halves: the order is fixed.
  @inline(__always) func total() -> Float {
    let eight = lowHalf + highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  /// Largest lane.
  @inline(__always) func largest() -> Float {
    let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two[0] > two[1] ? two[0] : two[1]
  }
}

/// Below this e^x is no normal number any more, and taken for 0: denormal numbers would slow down what is computed with them.
let lowestExponent: Float = -87.3

/// e^x to 2 ulp on [-87.3, 88.3]; 0 below, e^88.3 above.
@inline(__always) func exponential(_ x: Lanes) -> Lanes {
  let lowest = Lanes(repeating: lowestExponent)
  let highest = Lanes(repeating: 88.3)
  let bounded = x.replacing(with: lowest, where: x .< lowest).replacing(with: highest, where: x .> highest)
  // Adding 1.5 · 2^23 rounds to the nearest integer n and leaves n in the low bits of the sum.
  let shift = Lanes(repeating: 0x1.8p23)
  let sum = shift.addingProduct(bounded, Lanes(repeating: 1.442_695_04))
  let n = sum - shift
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts so that r keeps its last bits.
  let r = bounded.addingProduct(n, Lanes(repeating: -0.693_359_375)).addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
  var p = Lanes(repeating: 1.987_569_15e-4)
  p = Lanes(repeating: 1.398_199_95e-3).addingProduct(p, r)
  p = Lanes(repeating: 8.333_451_9e-3).addingProduct(p, r)
  p = Lanes(repeating: 4.166_579_6e-2).addingProduct(p, r)
  p = Lanes(repeating: 1.666_666_55e-1).addingProduct(p, r)
  p = Lanes(repeating: 5.000_000_1e-1).addingProduct(p, r)
  p = (r + 1).addingProduct(p, r * r)
  let power = (unsafeBitCast(sum, to: SIMD16<Int32>.self) &+ 127) &<< 23
  return (p * unsafeBitCast(power, to: Lanes.self)).replacing(with: 0, where: x .< lowest)
}

/// The same for one number.
@inline(__always) func exponential(_ x: Float) -> Float { x < lowestExponent ? 0 : expf(x) }

/// ln x to 2 ulp for positive normal x.
@inline(__always) func logarithm(_ x: Lanes) -> Lanes {
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  let shifted = unsafeBitCast(x, to: SIMD16<Int32>.self) &- 0x3F35_04F3
  let e = lanes_of_integers(shifted &>> 23)
  let m = unsafeBitCast((shifted & 0x007F_FFFF) &+ 0x3F35_04F3, to: Lanes.self) - 1
  let z = m * m
  var p = Lanes(repeating: 7.037_683_629_2e-2)
  p = Lanes(repeating: -1.151_461_031_0e-1).addingProduct(p, m)
  p = Lanes(repeating: 1.167_699_874_0e-1).addingProduct(p, m)
  p = Lanes(repeating: -1.242_014_084_6e-1).addingProduct(p, m)
  p = Lanes(repeating: 1.424_932_278_7e-1).addingProduct(p, m)
  p = Lanes(repeating: -1.666_805_766_5e-1).addingProduct(p, m)
  p = Lanes(repeating: 2.000_071_476_5e-1).addingProduct(p, m)
  p = Lanes(repeating: -2.499_999_399_3e-1).addingProduct(p, m)
  p = Lanes(repeating: 3.333_333_117_4e-1).addingProduct(p, m)
  let tail = (p * m * z).addingProduct(e, Lanes(repeating: -2.121_944_4e-4)).addingProduct(z, Lanes(repeating: -0.5))
  return (m + tail).addingProduct(e, Lanes(repeating: 0.693_359_375))
}

/// sin and cos of 2 pi t for t in [0, 1], to 1e-7.
@inline(__always) func sineAndCosine(turns t: Lanes) -> (sine: Lanes, cosine: Lanes) {
  // t = q / 4 + r / (2 pi) with |r| <= pi / 4: the quadrant and an angle in it. Adding 1.5 · 2^23 rounds.
  let shift = Lanes(repeating: 0x1.8p23)
  let sum = 4 * t + shift
  let r = (4 * t - (sum - shift)) * (Float.pi / 2)
  let square = r * r
  var s = Lanes(repeating: -1.951_529_589_1e-4)
  s = Lanes(repeating: 8.332_160_873_6e-3).addingProduct(s, square)
  s = Lanes(repeating: -1.666_665_461_1e-1).addingProduct(s, square)
  s = r.addingProduct(s * square, r)
  var c = Lanes(repeating: 2.443_315_711_809_948e-5)
  c = Lanes(repeating: -1.388_731_625_493_765e-3).addingProduct(c, square)
  c = Lanes(repeating: 4.166_664_568_298_827e-2).addingProduct(c, square)
  c = (1 - 0.5 * square).addingProduct(c * square, square)
  // A quarter turn exchanges them and turns one's sign; the quadrant's number is in the low bits of the sum.
  let quadrant = unsafeBitCast(sum, to: SIMD16<Int32>.self)
  let isOdd = (quadrant & 1) .!= 0
  let (sine, cosine) = (s.replacing(with: c, where: isOdd), c.replacing(with: s, where: isOdd))
  return (
    sine.replacing(with: -sine, where: (quadrant & 2) .!= 0),
    cosine.replacing(with: -cosine, where: ((quadrant &+ 1) & 2) .!= 0)
  )
}
