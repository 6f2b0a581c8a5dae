import Images
import Random
import Testing

@testable import Training

@Suite struct ImageAugmentationTests {
  private func plain(_ value: UInt8) -> Image { Image(width: 12, height: 12, (value, value, value)) }

  /// Each cell of 4 x 4 pixels comes from one of the two images, and over many repetitions each comes from both.
  @Test func cutMixKeepsCellsWhole() {
    var seen = [Set<UInt8>](repeating: [], count: 9)
    for stream in 0..<100 {
      var random = RandomStream(seed: 1, stream: UInt64(stream))
      var image = plain(10)
      image.cutMix(plain(20), cell: 4, using: &random)
      for cell in 0..<9 {
        let values = Set(
          (0..<48).map { index in
            let (y, x, band) = (cell / 3 * 4 + index / 12, cell % 3 * 4 + index % 12 / 3, index % 3)
            return image.pixels[(y * 12 + x) * 3 + band]
          })
        #expect(values == [10] || values == [20])
        seen[cell].formUnion(values)
      }
    }
    #expect(seen.allSatisfy { $0 == [10, 20] })
  }

  @Test func noiseStaysWithinItsLimit() {
    var random = RandomStream(seed: 1, stream: 0)
    var image = plain(3)
    image.addNoise(6, using: &random)
    #expect(Set(image.pixels) == Set(0...9))
  }
}
