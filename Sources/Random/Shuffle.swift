/// A random permutation of `0 ..< count` that is never stored: element `i` costs constant time and no memory.
///
/// A four-round Feistel network over the next even power of two, walked until it lands inside the range
/// (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
public struct Shuffle: Sendable {
  public let count: Int
  private let keys: SIMD4<UInt32>
  private let halfBits: UInt64

  /// `seed` and `stream` name the permutation; an epoch's number is a good stream.
  public init(count: Int, seed: UInt64, stream: UInt64) {
    precondition(count > 0, "a permutation of \(count) elements")
    self.count = count
    keys = Philox.block(seed: seed, stream: stream, position: 0x5F5F)
    let bits = max(2, UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount))
    halfBits = (bits + 1) / 2
  }

  public subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "element \(index) of a permutation of \(count)")
    var value = UInt64(index)
    repeat { value = encrypt(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func encrypt(_ value: UInt64) -> UInt64 {
    let mask = (UInt64(1) << halfBits) - 1
    var left = value >> halfBits
    var right = value & mask
    for round in 0..<4 {
      var z = (right &+ UInt64(keys[round])) &* 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 29)) &* 0xBF58_476D_1CE4_E5B9
      (left, right) = (right, left ^ ((z >> 32) & mask))
    }
    return left << halfBits | right
  }
}
