import Random

/// The global order of samples: position `p` of the endless stream is sample `at(p)`. Every epoch is a new permutation. The order
/// depends on the seed alone, never on the number of ranks.
enum SampleNumber {
  static func at(_ position: Int, count: Int, seed: UInt64) -> Int {
    let (epoch, offset) = position.quotientAndRemainder(dividingBy: count)
    return Shuffle(count: count, seed: seed, stream: UInt64(epoch))[offset]
  }
}

/// What a random stream is for: the first part of its address, so that no two uses share numbers.
enum Purpose {
  static let dvaeCrop: UInt64 = 1
  // 2: the crops of ShardEncoder
  static let bpeDropout: UInt64 = 3
  static let captionDropout: UInt64 = 4
  static let dvaePixelNoise: UInt64 = 5
  static let dvaeCutMix: UInt64 = 6
  static let dropout: UInt64 = 7
  static let clip: UInt64 = 8
  static let decoder: UInt64 = 9
}
