import CLanes
import Memory

/// Fills `values` with independent normal numbers of mean 0 (Box-Muller). They depend on seed and stream alone.
public func fillNormal(_ values: Vector, seed: UInt64, stream: UInt64, standardDeviation: Float) {
  var position: UInt64 = 0
  for start in stride(from: 0, to: values.count, by: 64) {
    let words = philoxBlocks(seed: seed, stream: stream, position: position)
    let (first, second) = (normals(words.0, words.1), normals(words.2, words.3))
    for (run, numbers) in [first.0, first.1, second.0, second.1].enumerated() where start + 16 * run < values.count {
      let begin = start + 16 * run
      (numbers * standardDeviation).store(values.base + begin, first: min(16, values.count - begin))
    }
    position &+= 16
  }
}

/// Two normal numbers from two uniform ones: radius sqrt(-2 ln u), angle 2 pi v.
@inline(__always) private func normals(_ u: Words, _ v: Words) -> (Lanes, Lanes) {
  let radius = lanes_square_roots(-2 * logarithm(uniform(u)))
  let (sine, cosine) = sineAndCosine(turns: uniform(v))
  return (radius * cosine, radius * sine)
}
