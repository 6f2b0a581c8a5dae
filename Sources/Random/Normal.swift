#if canImport(Glibc)
import Glibc
#endif

extension RandomStream {
  /// Fills `values` with independent normal numbers of mean 0 (Box-Muller).
  public mutating func fillNormal(_ values: UnsafeMutableBufferPointer<Float>, standardDeviation: Float) {
    var index = 0
    while index < values.count {
      // 1 - u lies in (0, 1], so the logarithm is finite.
      let radius = (-2 * logf(1 - uniform())).squareRoot() * standardDeviation
      let angle = 2 * Float.pi * uniform()
      values[index] = radius * cosf(angle)
      if index + 1 < values.count { values[index + 1] = radius * sinf(angle) }
      index += 2
    }
  }
}
