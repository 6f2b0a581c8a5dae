import Files

/// What an image looks like from afar, for finding near duplicates: where brightness rises from left to right on a grid of
/// 8 × 8 (the difference hash), and the mean color.
package struct ImageSignature: Codable, Hashable, Sendable, BitwiseCopyable {
  /// Bit 8·y + x is set where cell (x + 1, y) of 9 × 8 is brighter than cell (x, y).
  package var gradients: UInt64
  /// Mean red, green and blue.
  package var color: SIMD3<UInt8>

  /// Bits that may differ, and steps of 256 by which each mean may: what scaling and compressing an image again changes.
  package static let bitTolerance = 3
  package static let colorTolerance = 8

  package init(_ image: Image) {
    let small = image.resized(width: 9, height: 8).pixels
    let light = (0..<72).map { cell -> Int in
      let (red, green, blue) = (Int(small[3 * cell]), Int(small[3 * cell + 1]), Int(small[3 * cell + 2]))
      return 299 * red + 587 * green + 114 * blue  // BT.601, in thousandths
    }
    gradients = 0
    for y in 0..<8 {
      for x in 0..<8 where light[9 * y + x + 1] > light[9 * y + x] { gradients |= 1 << UInt64(8 * y + x) }
    }
    color = .zero
    for band in 0..<3 {
      var sum = 0
      for cell in 0..<72 { sum += Int(small[3 * cell + band]) }
      color[band] = UInt8(sum / 72)
    }
  }

  /// Whether two images look the same.
  package func resembles(_ other: ImageSignature) -> Bool {
    (gradients ^ other.gradients).nonzeroBitCount <= Self.bitTolerance
      && (0..<3).allSatisfy { abs(Int(color[$0]) - Int(other.color[$0])) <= Self.colorTolerance }
  }
}

/// As text: 16 hexadecimal digits of gradients, 6 of color.
extension ImageSignature {
  package init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard text.utf8.count == 22, let gradients = UInt64(text.prefix(16), radix: 16), let color = UInt32(text.suffix(6), radix: 16)
    else { throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not 22 hexadecimal digits")) }
    self.gradients = gradients
    self.color = SIMD3(
      UInt8(truncatingIfNeeded: color >> 16), UInt8(truncatingIfNeeded: color >> 8), UInt8(truncatingIfNeeded: color))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(
      zeroPadded(gradients, digits: 16, radix: 16) + (0..<3).map { zeroPadded(color[$0], digits: 2, radix: 16) }.joined())
  }
}
