#if canImport(Glibc)
  import Glibc
#endif

extension Image {
  /// Peak signal-to-noise ratio against an image of the same size, in decibels; for the same image that of one error of one level in one
  /// value.
  package func peakSignalToNoise(to other: Image) -> Double {
    precondition(width == other.width && height == other.height, "images of two sizes")
    let error = zip(pixels, other.pixels).reduce(0) { $0 + (Int($1.0) - Int($1.1)) * (Int($1.0) - Int($1.1)) }
    return 10 * log10(255 * 255 * Double(pixels.count) / Double(max(1, error)))
  }

  private static let radius = 5
  /// A Gaussian with a standard deviation of 1.5 pixels, cut at five pixels.
  private static let window: [Double] = {
    let values = (-radius...radius).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
    return values.map { $0 / values.reduce(0, +) }
  }()

  /// Least side of an image with a structural similarity.
  package static let leastSimilaritySide = 2 * radius + 1

  /// Structural similarity (Wang et al. 2004) with an image of the same size: 1 for the same image. The mean over the three channels and
  /// over all places where the window of 11 x 11 pixels fits; both sides must have 11 pixels at least.
  package func structuralSimilarity(to other: Image) -> Double {
    precondition(width == other.width && height == other.height, "images of two sizes")
    precondition(min(width, height) >= Self.leastSimilaritySide, "an image of \(width) x \(height)")
    let (c1, c2) = (0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255)
    var total = 0.0
    for channel in 0..<3 {
      let (a, b) = (plane(channel), other.plane(channel))
      func mean(_ values: [Double]) -> [Double] { blurred(values) }
      let (ma, mb) = (mean(a), mean(b))
      let (aa, bb, ab) = (mean(zip(a, a).map(*)), mean(zip(b, b).map(*)), mean(zip(a, b).map(*)))
      for i in ma.indices {
        let (va, vb, covariance) = (aa[i] - ma[i] * ma[i], bb[i] - mb[i] * mb[i], ab[i] - ma[i] * mb[i])
        total +=
          (2 * ma[i] * mb[i] + c1) * (2 * covariance + c2)
          / ((ma[i] * ma[i] + mb[i] * mb[i] + c1) * (va + vb + c2))
      }
    }
    return total / Double(3 * (width - 2 * Self.radius) * (height - 2 * Self.radius))
  }

  private func plane(_ channel: Int) -> [Double] { (0..<width * height).map { Double(pixels[3 * $0 + channel]) } }

  /// Weighted means of the places where the window fits, first along rows, then along columns.
  private func blurred(_ values: [Double]) -> [Double] {
    let (columns, rows) = (width - 2 * Self.radius, height - 2 * Self.radius)
    var lines = [Double](repeating: 0, count: columns * height)
    for y in 0..<height {
      for x in 0..<columns {
        for (k, weight) in Self.window.enumerated() { lines[y * columns + x] += weight * values[y * width + x + k] }
      }
    }
    var result = [Double](repeating: 0, count: columns * rows)
    for y in 0..<rows {
      for (k, weight) in Self.window.enumerated() {
        for x in 0..<columns { result[y * columns + x] += weight * lines[(y + k) * columns + x] }
      }
    }
    return result
  }
}
