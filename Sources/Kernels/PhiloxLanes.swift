import CLanes

typealias Words = SIMD16<UInt32>

/// Uniform in (0, 1): (k + 1/2) / 2^23 with 23 random bits k is exact in fp32 and never 0 or 1.
@inline(__always) func uniform(_ words: Words) -> Lanes {
  (lanes_of_integers(unsafeBitCast(words &>> 9, to: SIMD16<Int32>.self)) + 0.5) * 0x1p-23
}

/// `Philox.block` at 16 consecutive positions; the first is a multiple of 16. Lane i holds the words of position + i.
@inline(__always) func philoxBlocks(seed: UInt64, stream: UInt64, position: UInt64) -> (Words, Words, Words, Words) {
  let lane = Words(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  var c0 = Words(repeating: UInt32(truncatingIfNeeded: position)) &+ lane
  var c1 = Words(repeating: UInt32(truncatingIfNeeded: position >> 32))
  var c2 = Words(repeating: UInt32(truncatingIfNeeded: stream))
  var c3 = Words(repeating: UInt32(truncatingIfNeeded: stream >> 32))
  var key0 = UInt32(truncatingIfNeeded: seed)
  var key1 = UInt32(truncatingIfNeeded: seed >> 32)
  for _ in 0..<10 {
    let product0 = product(c0, 0xD251_1F53)
    let product1 = product(c2, 0xCD9E_8D57)
    c0 = product1.high ^ c1 ^ key0
    c1 = product1.low
    c2 = product0.high ^ c3 ^ key1
    c3 = product0.low
    key0 &+= 0x9E37_79B9
    key1 &+= 0xBB67_AE85
  }
  return (c0, c1, c2, c3)
}

/// The halves of `words · factor`, from the 64-bit products of even and of odd lanes, for which there is an instruction.
@inline(__always) private func product(_ words: Words, _ factor: UInt64) -> (low: Words, high: Words) {
  typealias Pairs = SIMD8<UInt64>
  let pairs = unsafeBitCast(words, to: Pairs.self)
  let lowHalves = Pairs(repeating: 0xFFFF_FFFF)
  let even = (pairs & lowHalves) &* Pairs(repeating: factor)
  let odd = (pairs &>> 32) &* Pairs(repeating: factor)
  return (
    unsafeBitCast(even & lowHalves | odd &<< 32, to: Words.self), unsafeBitCast(even &>> 32 | odd & ~lowHalves, to: Words.self)
  )
}
