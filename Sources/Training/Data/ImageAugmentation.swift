import Images
import Random

/// What training does to the pictures that the dVAE learns from.
extension Image {
  /// Moves each byte by at most `most`.
  mutating func addNoise(_ most: Int, using random: inout RandomStream) {
    for index in pixels.indices {
      let change = (2 * random.uniform() - 1) * Float(most)
      pixels[index] = UInt8(max(0, min(255, (Float(pixels[index]) + change).rounded())))
    }
  }

  /// Replaces a random rectangle with that of another picture of the same size (CutMix, Yun et al. 2019). Its sides lie on
  /// multiples of `cell` pixels, which is what a code stands for: so each cell shows what pictures show, but what is around it
  /// tells nothing of it.
  mutating func mix(_ other: Image, cell: Int, using random: inout RandomStream) {
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
