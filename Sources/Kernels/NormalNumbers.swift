import CLanes
import Memory

/// Fills `values` with independent normal numbers of mean 0 (Box-Muller): those from number `first` on, a multiple of 16, of the
/// endless sequence of this seed and stream.
public func fillNormal(_ values: Vector, seed: UInt64, stream: UInt64, std: Float, from first: Int = 0) {
  precondition(first >= 0 && first % 16 == 0, "normal numbers from number \(first)")
  let end = first + values.count
  // 64 numbers come out of 16 positions of the generator at a time.
  for start in stride(from: first / 64 * 64, to: end, by: 64) {
    let words = philoxBlocks(seed: seed, stream: stream, position: UInt64(start / 4))
    let (low, high) = (normals(words.0, words.1), normals(words.2, words.3))
    for (offset, numbers) in [(0, low.0), (16, low.1), (32, high.0), (48, high.1)] {
      let position = start + offset
      if position < first || position >= end { continue }
      (numbers * std).store(values.base + position - first, first: min(16, end - position))
    }
  }
}

/// Two normal numbers from two uniform ones: radius sqrt(-2 ln u), angle 2 pi v.
@inline(__always) private func normals(_ u: Words, _ v: Words) -> (Lanes, Lanes) {
  let radius = lanes_square_roots(-2 * logarithm(uniform(u)))
  let (sine, cosine) = sineAndCosine(turns: uniform(v))
  return (radius * cosine, radius * sine)
}
