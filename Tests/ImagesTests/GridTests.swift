import Images
import Testing

@Suite struct GridTests {
  private let image = Image(width: 8, height: 8, (1, 2, 3))

  /// Invisible captions take no place, as empty ones; long ones have an end.
  @Test(arguments: [
    "\u{200B}", "\u{FEFF}", " \t\n", "\u{2060}\u{00AD}", "\u{0301}", "\u{3164}", "\u{2800}", "\u{E000}", "\u{FE0F}", "\u{7}", "\0",
  ]) func invisibleCaptionsAreNone(caption: String) throws {
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
