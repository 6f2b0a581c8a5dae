import Datasets
import Errors
import Images
import Testing

@testable import Training

/// Images of one pixel whose red is their number; some cannot be read.
private struct PartlyUnreadable: CaptionedImages {
  let unreadable: Set<Int>

  func identity() -> String { "" }
  func count(_ split: Split) -> Int { 12 }
  func captions(_ index: Int, _ split: Split) -> [String] { ["\(index)"] }
  func image(_ index: Int, _ split: Split, forCropsOf side: Int?) throws -> Image {
    if unreadable.contains(index) { throw DalleError(.inputOutput, "image \(index) is gone") }
    return Image(width: 1, height: 1, (UInt8(index), 0, 0))
  }
  func location(_ index: Int, _ split: Split) -> String { "\(index)" }
  func prompts(_ count: Int) -> [String] { [] }
}

/// The image that takes the place of an unreadable one comes with its own number, so that its own caption is shown with it.
@Test func anotherImageComesWithItsNumber() throws {
  let data = PartlyUnreadable(unreadable: [3, 4, 11])
  var warnings: [String] = []
  for (asked, given) in [(2, 2), (3, 5), (4, 5), (11, 0)] {
    let found = try data.readableImage(asked, .validation, forCropsOf: 8) { warnings.append($0) }
    #expect(found.index == given && found.image.pixels[0] == UInt8(given))
  }
  #expect(warnings == [3, 4, 4, 11].map { "image \($0) is gone" })
  #expect {
    try PartlyUnreadable(unreadable: Set(0..<10)).readableImage(0, .validation, forCropsOf: 8) { _ in }
  } throws: { "\($0)".contains("10 consecutive images cannot be read (the last: image 9 is gone)") }
}
