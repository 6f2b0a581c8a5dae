import Errors
import Files
import Foundation
import Images
import Testing

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Goldens/pictures").path

/// Colors in the middle of the four quarters, in reading order.
private func quarters(_ name: String) throws -> [[Int]] {
  let image = try Image(contentsOf: "\(folder)/\(name)")
  return [(1, 1), (3, 1), (1, 3), (3, 3)].map { x, y in
    let start = (y * image.height / 4 * image.width + x * image.width / 4) * 3
    return image.pixels[start..<start + 3].map(Int.init)
  }
}

private func expect(_ name: String, _ colors: [[Int]], within tolerance: Int) throws {
  for (found, expected) in zip(try quarters(name), colors) {
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= tolerance }, "\(name): \(found), expected \(expected)")
  }
}

private let (red, green, blue, yellow, white) = ([255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 255, 255])

@Suite struct DecodingTests {
  @Test func everyKindOfImageIsReadAsItLooks() throws {
    try expect("plain.png", [red, green, blue, yellow], within: 0)
    try expect("alpha.png", [red, green, [127, 127, 255], white], within: 1)
    try expect("deep.png", [red, green, [127, 127, 255], white], within: 1)
    try expect("palette.png", [red, green, blue, white], within: 0)
    try expect("animated.gif", [red, green, blue, yellow], within: 0)
    try expect("float.tif", [red, green, blue, yellow], within: 0)
    // Its profile exchanges red and green; its transparency stays.
    try expect("deep-swapped.png", [green, red, [127, 127, 255], white], within: 12)
    // JPEG loses a little.
    try expect("grey.jpg", [[0, 0, 0], [85, 85, 85], [170, 170, 170], white], within: 2)
    try expect("rgb-grey-profile.jpg", [red, green, blue, yellow], within: 4)
    try expect("turned.jpg", [blue, red, yellow, green], within: 4)
  }

  @Test func inksWithoutAProfileAreTheColorsThatBrowsersShow() throws {
    try expect("cmyk.jpg", [red, green, blue, white], within: 2)
    // A profile for grey counts as none.
    try expect("cmyk-grey-profile.jpg", [red, green, blue, white], within: 2)
  }

  @Test func badFilesAreNamed() throws {
    func message(_ path: String) -> String {
      do {
        _ = try Image(contentsOf: path)
        return "no error"
      } catch { return "\(error)" }
    }
    #expect(message("\(folder)/none.png").hasSuffix("none.png: cannot be opened: No such file or directory; check the path"))
    #expect(message("\(folder)/cut.png").hasSuffix("cut.png: is a PNG file that is damaged or cut off; replace or remove it"))
    #expect(
      message("\(folder)/huge.png")
        .hasSuffix("has 40000 x 40000 pixels, more than the limit of 100000000; reduce it, or remove it"))
    #expect(message("\(folder)/../pictures.py").hasSuffix("is a text, which is not read; download the image again, or remove it"))
    #expect(throws: UndecodableImage.self) { try Image(data: Data()) }
    #expect(message("\(folder)/plain.png") == "no error")
  }

  /// What the file is decides, and one file's fault says nothing about the next.
  @Test func otherFilesAreNamedByTheirContent() throws {
    let files: [(String, String)] = [
      ("BM", "a BMP file"), ("<!DOCTYPE html><html><body>404</body></html>", "an HTML page"), ("%PDF-1.4", "a PDF document"),
      ("<?xml version=\"1.0\"?><svg width=\"9\" height=\"9\"/>", "an SVG drawing"), ("{\"error\": 404}", "a text"),
      ("P6 2 2 255 ", "a PNM file"), ("PF\n2 2\n-1\n", "a PFM file"), ("PAR1", "a Parquet file"), ("\0\0\0\0", "a file of zeros"),
      ("", "an empty file"),
      ("\0\0\0\u{18}ftypisom", "a video"), ("\u{1}\u{2}", "no image file of a known kind"),
    ]
    for (content, kind) in files {
      let binary = Data(content.utf8) + (content == "BM" ? Data(count: 60) : Data())
      #expect { try Image(data: binary) } throws: { error in
        let problem = error as? UndecodableImage
        return problem?.reason == .unreadable && problem?.detail.hasPrefix("is \(kind), which is not read; ") == true
      }
      #expect(throws: Never.self) { try Image(contentsOf: "\(folder)/plain.png") }
    }
  }

  /// Browsers show a JPEG without its end marker; where coefficients are missing they show grey, which is refused here.
  @Test(arguments: ["large.jpg", "turned.jpg", "large-srgb.jpg", "grey.jpg", "cmyk.jpg"])
  func aJPEGMayLackItsEndMarker(_ name: String) throws {
    let file = try readFile("\(folder)/\(name)")
    #expect(file.suffix(2) == Data([0xFF, 0xD9]))
    for missing in 1...2 {
      #expect(try Image(data: file.dropLast(missing)) == Image(data: file), "\(missing) bytes")
      #expect(try Image(data: Data(file.dropLast(missing)), leastSide: 60) == Image(data: file, leastSide: 60))
    }
    for missing in [6, 20, 100, file.count / 2] {
      #expect(throws: UndecodableImage.self, "\(missing) bytes") { try Image(data: Data(file.dropLast(missing))) }
    }
  }

  /// Of numbers with another range than colors nobody knows which is white.
  @Test func floatsHaveColorsFrom0To1() throws {
    let file = try readFile("\(folder)/float.tif")
    let start = file.count - 1536 * 4
    func scaled(by factor: Float) -> Data {
      var floats = [Float](repeating: 0, count: 1536)
      _ = floats.withUnsafeMutableBytes { file.copyBytes(to: $0, from: start..<file.count) }
      return file.prefix(start) + floats.map { $0 * factor }.withUnsafeBytes { Data($0) }
    }
    #expect(try Image(data: scaled(by: 1)) == Image(data: file))
    #expect(try Image(data: scaled(by: 1.2)).width == 32)
    for factor: Float in [255, 65535, -3, .infinity] {
      #expect {
        try Image(data: scaled(by: factor))
      } throws: {
        ($0 as? UndecodableImage)?.detail.hasPrefix("is a TIFF file whose numbers are no colors (") == true
      }
    }
    // The same bytes as integers of 32 bits: the sample format is before the pixels.
    var integers = file
    for offset in stride(from: 0, to: 6, by: 2) { integers[start - 6 + offset] = 1 }
    #expect(throws: UndecodableImage.self) { try Image(data: integers) }
  }

  @Test func aPNGGivesThePixelsBack() throws {
    var image = Image(width: 7, height: 5, (0, 0, 0))
    for index in image.pixels.indices { image.pixels[index] = UInt8(index * 37 % 256) }
    let path = NSTemporaryDirectory() + "written-\(getpid()).png"
    try image.write(to: path)
    defer { unlink(path) }
    #expect(try Image(contentsOf: path) == image)
    #expect(throws: DalleError.self) { try image.write(to: path + "/image.png") }
  }

  /// Asked for fewer pixels, JPEGs come reduced by a power of two and look the same; everything else comes whole.
  @Test func largeJPEGsComeReduced() throws {
    let whole = try Image(contentsOf: "\(folder)/large.jpg")
    #expect(whole.width == 400 && whole.height == 272)
    for (leastSide, width, height) in [(137, 400, 272), (136, 200, 136), (68, 100, 68), (20, 50, 34), (1, 50, 34)] {
      let image = try Image(contentsOf: "\(folder)/large.jpg", leastSide: leastSide)
      #expect(image.width == width && image.height == height, "least side \(leastSide)")
      if width == 400 { continue }
      // JPEG's own reduction drops the finest waves instead of averaging: alike within a PSNR of 30 dB.
      let average = whole.resized(width: width, height: height)
      let error = zip(image.pixels, average.pixels).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
      #expect(error / Double(image.pixels.count) < 65, "least side \(leastSide)")
    }
    #expect(try Image(contentsOf: "\(folder)/plain.png", leastSide: 2) == Image(contentsOf: "\(folder)/plain.png"))
    // Reduced, turned and converted.
    for name in ["turned.jpg", "cmyk.jpg", "grey.jpg"] {
      let (whole, small) = (
        try Image(contentsOf: "\(folder)/\(name)"), try Image(contentsOf: "\(folder)/\(name)", leastSide: 8)
      )
      #expect((small.width, small.height) == (whole.width / 2, whole.height / 2), "\(name)")
      for (a, b) in zip(small.pixels, whole.resized(width: small.width, height: small.height).pixels) {
        #expect(abs(Int(a) - Int(b)) <= 4, "\(name)")
      }
    }
  }

  /// A profile that says sRGB changes nothing; another one does.
  @Test func colorProfilesCount() throws {
    let plain = try Image(contentsOf: "\(folder)/large.jpg")
    #expect(try Image(contentsOf: "\(folder)/large-srgb.jpg") == plain)
    let swapped = try Image(contentsOf: "\(folder)/large-swapped.jpg")
    // Its profile exchanges red and green.
    var error = 0
    for pixel in stride(from: 0, to: plain.pixels.count, by: 3) {
      error +=
        abs(Int(plain.pixels[pixel]) - Int(swapped.pixels[pixel + 1]))
        + abs(Int(plain.pixels[pixel + 1]) - Int(swapped.pixels[pixel]))
    }
    #expect(error < 2 * plain.pixels.count)
    #expect(swapped != plain)
  }

  @Test func damagedJPEGsAreRefused() throws {
    let good = try readFile("\(folder)/large.jpg")
    for leastSide in [nil, 20] {
      for cut in stride(from: 0, to: good.count - 2, by: 97) {
        #expect(throws: UndecodableImage.self) { try Image(data: good.prefix(cut), leastSide: leastSide) }
      }
    }
  }
}
