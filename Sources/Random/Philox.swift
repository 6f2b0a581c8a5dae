/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter in, 128 random bits out.
///
/// Nothing is stored between calls, so a random number has an address (seed, stream, position): any rank can draw any
/// sample's numbers, in any order, and the state in a checkpoint is a few integers.
public enum Philox {
  @inlinable public static func block(seed: UInt64, stream: UInt64, position: UInt64) -> SIMD4<UInt32> {
    var counter = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    var key0 = UInt32(truncatingIfNeeded: seed)
    var key1 = UInt32(truncatingIfNeeded: seed >> 32)
    for _ in 0..<10 {
      let product0 = UInt64(counter[0]) &* 0xD251_1F53
      let product1 = UInt64(counter[2]) &* 0xCD9E_8D57
      counter = SIMD4(
        UInt32(truncatingIfNeeded: product1 >> 32) ^ counter[1] ^ key0, UInt32(truncatingIfNeeded: product1),
        UInt32(truncatingIfNeeded: product0 >> 32) ^ counter[3] ^ key1, UInt32(truncatingIfNeeded: product0))
      key0 &+= 0x9E37_79B9
      key1 &+= 0xBB67_AE85
    }
    return counter
  }
}

/// A sequence of random numbers: stream `stream` of `seed`, from the start.
public struct RandomStream: RandomNumberGenerator, Sendable {
  public let seed: UInt64
  public let stream: UInt64
  private var position: UInt64 = 0
  private var words = SIMD4<UInt32>()
  private var left = 0

  public init(seed: UInt64, stream: UInt64) {
    self.seed = seed
    self.stream = stream
  }

  /// A stream addressed by several integers, e.g. (purpose, step, sample). Different addresses give unrelated streams.
  public init(seed: UInt64, _ address: UInt64...) {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for part in address { hash = Self.mix(hash ^ part) }
    self.init(seed: seed, stream: hash)
  }

  public mutating func next() -> UInt64 {
    if left == 0 {
      words = Philox.block(seed: seed, stream: stream, position: position)
      position &+= 1
      left = 2
    }
    left -= 1
    return left == 1 ? UInt64(words[0]) | UInt64(words[1]) << 32 : UInt64(words[2]) | UInt64(words[3]) << 32
  }

  /// Uniform in [0, 1) with 24 random bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform integer in `range`, without bias.
  public mutating func integer(in range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

  /// SplitMix64's finaliser: every input bit moves every output bit.
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
