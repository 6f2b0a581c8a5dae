import Datasets
import Images
import Random

/// Images of noise, for benchmarks.
struct NoiseImages: CaptionedImages {
  let size: Int

  func identity() -> String { "noise" }
  func count(_: Split) -> Int { 64 }
  func captions(_: Int, _: Split) -> [String] { ["noise"] }
  func location(_ index: Int, _: Split) -> String { "noise \(index)" }
  func prompts(_ count: Int) -> [String] { Array(repeating: "noise", count: count) }

  func image(_ index: Int, _: Split, forCropsOf _: Int?) -> Image {
    var random = RandomStream(seed: 1, stream: UInt64(index))
    return Image(width: size, height: size, pixels: (0..<size * size * 3).map { _ in UInt8(truncatingIfNeeded: random.next()) })
  }
}
