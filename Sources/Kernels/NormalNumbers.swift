import CLanes
import Memory

/// Fills `values` with independent normal numbers of mean 0 (Box-Muller). They depend on seed and stream alone.
public func fillNormal(_ values: Vector, seed: UInt64, stream: UInt64, standardDeviation: Float) {
  /// Of a run that starts past the end, nothing is stored.
  func store(_ numbers: Lanes, at start: Int) {
    if start < values.count {
      (numbers * standardDeviation).store(values.base + start, first: min(16, values.count - start))
    }
  }
  var position: UInt64 = 0
  for start in stride(from: 0, to: values.count, by: 64) {
    let words = philoxBlocks(seed: seed, stream: stream, position: position)
    let (first, second) = (normals(words.0, words.1), normals(words.2, words.3))
    store(first.0, at: start)
    store(first.1, at: start + 16)
    store(second.0, at: start + 32)
    store(second.1, at: start + 48)
    position &+= 16
  }
}

/// Two normal numbers from two uniform ones: radius sqrt(-2 ln u), angle 2 pi v.
@inline(__always) private func normals(_ u: Words, _ v: Words) -> (Lanes, Lanes) {
  let radius = lanes_square_roots(-2 * logarithm(uniform(u)))
  let (sine, cosine) = sineAndCosine(turns: uniform(v))
  return (radius * cosine, radius * sine)
}
