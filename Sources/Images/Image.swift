/// The size of an image before a decoder reduced it, and by how much: `reduction` × `reduction` pixels became one. A rest that
/// fills no pixel is cut off at the right and lower edge.
struct Origin: Equatable {
  let width: Int
  let height: Int
  let reduction: Int
}

/// An image in memory: sRGB, `height` rows of `width` pixels of three bytes.
package struct Image: Sendable, Equatable {
  package let width: Int
  package let height: Int
  /// `[height, width, 3]`
  package var pixels: [UInt8]
  /// The image that a decoder reduced to this one; of an image that is whole, itself.
  var origin: Origin

  package init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3, "\(pixels.count) bytes for \(width) x \(height)")
    self.width = width
    self.height = height
    self.pixels = pixels
    origin = Origin(width: width, height: height, reduction: 1)
  }

  /// One color everywhere.
  package init(width: Int, height: Int, _ color: (UInt8, UInt8, UInt8)) {
    var pixels = [UInt8](repeating: color.0, count: width * height * 3)
    for pixel in 0..<width * height { (pixels[3 * pixel + 1], pixels[3 * pixel + 2]) = (color.1, color.2) }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// The rectangle whose upper left corner is (`x`, `y`).
  package func cropped(x: Int, y: Int, width: Int, height: Int) -> Image {
    precondition(x >= 0 && y >= 0 && x + width <= self.width && y + height <= self.height, "a crop outside the image")
    if width == self.width && height == self.height { return self }
    var part: [UInt8] = []
    part.reserveCapacity(width * height * 3)
    for row in y..<y + height {
      let start = (row * self.width + x) * 3
      part += pixels[start..<start + width * 3]
    }
    return Image(width: width, height: height, pixels: part)
  }

  /// Left and right exchanged.
  package func mirrored() -> Image {
    var result = pixels
    for y in 0..<height {
      for x in 0..<width {
        for band in 0..<3 { result[(y * width + x) * 3 + band] = pixels[(y * width + width - 1 - x) * 3 + band] }
      }
    }
    return Image(width: width, height: height, pixels: result)
  }

  /// Copies `part` into the image, its upper left corner at (`x`, `y`).
  package mutating func paste(_ part: Image, x: Int, y: Int) {
    precondition(x >= 0 && y >= 0 && x + part.width <= width && y + part.height <= height, "a part outside the image")
    for row in 0..<part.height {
      let to = ((y + row) * width + x) * 3
      let from = row * part.width * 3
      pixels.replaceSubrange(to..<to + part.width * 3, with: part.pixels[from..<from + part.width * 3])
    }
  }

  /// Every pixel as a square of `factor` × `factor`.
  package func enlarged(by factor: Int) -> Image {
    if factor == 1 { return self }
    var result: [UInt8] = []
    result.reserveCapacity(pixels.count * factor * factor)
    for y in 0..<height {
      var row: [UInt8] = []
      for x in 0..<width {
        let start = (y * width + x) * 3
        for _ in 0..<factor { row += pixels[start..<start + 3] }
      }
      for _ in 0..<factor { result += row }
    }
    return Image(width: width * factor, height: height * factor, pixels: result)
  }
}
