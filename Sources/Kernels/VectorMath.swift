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
}

/// e^x to 2 ulp on [-87.3, 88.3]; arguments outside are treated as the nearest end.
@inline(__always) func exponential(_ x: Lanes) -> Lanes {
  let clamped = x.clamped(lowerBound: Lanes(repeating: -87.3), upperBound: Lanes(repeating: 88.3))
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts so that r keeps its last bits.
  let n = (clamped * 1.442_695_04).rounded(.toNearestOrEven)
  let r = clamped.addingProduct(n, Lanes(repeating: -0.693_359_375)).addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
  var p = Lanes(repeating: 1.987_569_15e-4)
  p = Lanes(repeating: 1.398_199_95e-3).addingProduct(p, r)
  p = Lanes(repeating: 8.333_451_9e-3).addingProduct(p, r)
  p = Lanes(repeating: 4.166_579_6e-2).addingProduct(p, r)
  p = Lanes(repeating: 1.666_666_55e-1).addingProduct(p, r)
  p = Lanes(repeating: 5.000_000_1e-1).addingProduct(p, r)
  p = (r + 1).addingProduct(p, r * r)
  let power = (SIMD16<Int32>(n) &+ 127) &<< 23
  return p * unsafeBitCast(power, to: Lanes.self)
}

/// ln x to 2 ulp for positive normal x.
@inline(__always) func logarithm(_ x: Lanes) -> Lanes {
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  let shifted = unsafeBitCast(x, to: SIMD16<Int32>.self) &- 0x3F35_04F3
  let e = Lanes(shifted &>> 23)
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
