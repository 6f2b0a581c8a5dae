import Images
import Random

/// Augmentation of the images that the dVAE is trained on.
extension Image {
  /// Changes each byte by at most `limit`.
  mutating func addNoise(_ limit: Int, using random: inout RandomStream) {
    for index in pixels.indices {
      let change = (2 * random.uniform() - 1) * Float(limit)
      pixels[index] = UInt8(max(0, min(255, (Float(pixels[index]) + change).rounded())))
    }
  }

  /// Replaces a random rectangle with that of another image of the same size (CutMix, Yun et al. 2019). Its sides are multiples
  /// of `cell` pixels, the side that one code covers: every cell keeps natural content, and its surroundings do not predict it.
  mutating func cutMix(_ other: Image, cell: Int, using random: inout RandomStream) {
    precondition(other.width == width && other.height == height, "mixing images of different sizes")
    func side(_ length: Int) -> Range<Int> {
      let cells = length / cell
      let ends = [random.integer(in: 0..<cells + 1), random.integer(in: 0..<cells + 1)].sorted()
      return ends[0] * cell..<ends[1] * cell
    }
    let (columns, rows) = (side(width), side(height))
    for y in rows {
      let bytes = 3 * (y * width + columns.lowerBound)..<3 * (y * width + columns.upperBound)
      pixels.replaceSubrange(bytes, with: other.pixels[bytes])
    }
  }
}
