import Files
import Foundation
import Images
import Testing

private let photos = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
  "../../../shared/data/photos"
)
.standardized.path

/// Crops of JPEGs that the decoder reduced, beside those of the whole image.
@Suite struct ReductionTests {
  /// Mean difference of two images' bytes.
  private func difference(_ a: Image, _ b: Image) -> Double {
    Double(zip(a.pixels, b.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }) / Double(a.pixels.count)
  }

  /// The same area, for sizes that the reduction does and does not divide.
  @Test func cropsAreOfTheSameArea() throws {
    // Long waves, which reduction keeps: a shift by one pixel would differ by 3 levels.
    var image = Image(width: 403, height: 301, (0, 0, 0))
    for y in 0..<image.height {
      for x in 0..<image.width {
        let value = UInt8(128 + 60 * sin(Double(x) * .pi / 40) + 60 * sin(Double(y) * .pi / 36))
        for band in 0..<3 { image.pixels[(y * image.width + x) * 3 + band] = value }
      }
    }
    let file = try image.jpeg(quality: 95)
    let whole = try Image(data: file)
    for leastSide in [150, 75] {
      let reduced = try Image(data: file, leastSide: leastSide)
      #expect(reduced.width < whole.width / 2 + 1)
      #expect(difference(reduced.centerCrop(25), whole.centerCrop(25)) < 0.7, "\(leastSide)")
      for seed in 0..<5 as Range<UInt64> {
        var (one, other) = (Numbers(seed), Numbers(seed))
        #expect(difference(reduced.dvaeCrop(24, using: &one), whole.dvaeCrop(24, using: &other)) < 0.9, "\(leastSide) \(seed)")
        #expect(one.state == other.state)
        (one, other) = (Numbers(seed), Numbers(seed))
        #expect(difference(reduced.transformerCrop(24, using: &one), whole.transformerCrop(24, using: &other)) < 0.7)
      }
    }
  }

  /// Photos: below two levels on average even for the worst.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: photos), "\(photos) is not there"), arguments: [32, 64, 128])
  func photosLookTheSame(size: Int) throws {
    var count = 0
    for name in try FileManager.default.contentsOfDirectory(atPath: photos) where name.hasSuffix(".jpg") {
      let file = try readFile("\(photos)/\(name)")
      let whole = try Image(data: file)
      let reduced = try Image(data: file, leastSide: Image.leastSide(forCropsOf: size))
      if reduced.width == whole.width { continue }
      count += 1
      #expect(difference(reduced.centerCrop(size), whole.centerCrop(size)) < 2, "\(name)")
      var (one, other) = (Numbers(7), Numbers(7))
      #expect(difference(reduced.dvaeCrop(size, using: &one), whole.dvaeCrop(size, using: &other)) < 2, "\(name)")
    }
    #expect(size == 128 || count > 0)
  }
}

/// A linear congruential generator (Knuth, MMIX).
private struct Numbers: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 32
  }
}
