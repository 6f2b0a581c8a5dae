import Images
import Testing

@Suite struct GridTests {
  private let image = Image(width: 8, height: 8, (1, 2, 3))

  /// Invisible captions take no place, as empty ones; long ones have an end.
  @Test(arguments: [[0x200B], [0xFEFF], [0x20, 9, 10], [0x2060, 0xAD], [0x301], [0x3164], [0x2800], [0xE000], [0xFE0F], [7], [0]])
  func invisibleCaptionsAreNone(characters: [Int]) throws {
    let caption = String(String.UnicodeScalarView(characters.compactMap(Unicode.Scalar.init)))
    let sheet = try ImageGrid.compose([.init(caption: caption, images: [image])])
    #expect(sheet.height == (try ImageGrid.compose([.init(caption: "", images: [image])])).height)
  }

  @Test func visibleCaptionsAreShown() throws {
    let empty = try ImageGrid.compose([.init(caption: "", images: [image])])
    for caption in ["a", "a\0b", "\u{200B}x", "🐈", "e\u{0301}", "<b>&", String(repeating: "long ", count: 20_000)] {
      let sheet = try ImageGrid.compose([.init(caption: caption, images: [image])])
      #expect(sheet.height > empty.height && sheet.height < 2000, "\(caption.prefix(10)) \(sheet.height)")
    }
  }
}
