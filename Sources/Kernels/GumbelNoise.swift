import Memory
import Random

/// The address of a sample's random numbers: they depend on nothing else, so not on how samples are spread over ranks.
public struct NoiseAddress: Hashable, Sendable {
  public let seed: UInt64
  let stream: UInt64

  /// The numbers of `sample` (its index in the data set) at training step `step`.
  public init(seed: UInt64, step: UInt64, sample: UInt64) {
    self.seed = seed
    // "gumbel" keeps these streams apart from other uses of the same seed.
    stream = RandomStream(seed: seed, 0x6775_6D62_656C, step, sample).stream
  }
}

/// Fills `row` with standard Gumbel noise, `-ln(-ln u)` with u uniform in (0, 1).
///
/// Row `position` of an address is always the same. `row.count` is a multiple of 64: 16 Philox counters side by side give
/// 64 numbers, the first words of all 16 first.
public func fillGumbel(_ row: Vector, _ address: NoiseAddress, position: Int) {
  let span = KernelClock.begin(.relaxation)
  defer { KernelClock.end(span) }
  precondition(row.count % 64 == 0, "a noise row of \(row.count) floats is not a multiple of 64")
  var counter = UInt64(position * (row.count / 4))
  for start in stride(from: 0, to: row.count, by: 64) {
    let words = philoxBlocks(seed: address.seed, stream: address.stream, position: counter)
    let base = row.base + start
    gumbel(words.0).store(base)
    gumbel(words.1).store(base + 16)
    gumbel(words.2).store(base + 32)
    gumbel(words.3).store(base + 48)
    counter &+= 16
  }
}

@inline(__always) private func gumbel(_ words: Words) -> Lanes { -logarithm(-logarithm(uniform(words))) }
