import Foundation

/// What a file is by its first bytes, for messages: suffixes say little about what a web server sent.
struct FileFormat {
  /// "a BMP file"
  private let name: String
  /// Whether the decoder takes this kind.
  private let isRead: Bool
  private let advice: String

  /// Why the file gave no image, and what to do.
  var problem: String { isRead ? "is \(name) that is damaged or cut off; \(advice)" : "is \(name), which is not read; \(advice)" }

  /// Why a file of a kind that is read gave no colors.
  var rangeProblem: String {
    "is \(name) whose numbers are no colors (integers of 8 or 16 bits without a sign, or floating-point numbers from 0 to 1, are "
      + "read); scale them and save the image as a PNG of 8 or 16 bits, or remove it"
  }

  init(_ file: Data) {
    let start = [UInt8](file.prefix(512))
    func has(_ bytes: [UInt8], at offset: Int = 0) -> Bool { start.dropFirst(offset).starts(with: bytes) }
    func has(_ text: String, at offset: Int = 0) -> Bool { has(Array(text.utf8), at: offset) }
    func brand(_ brands: [String]) -> Bool { has("ftyp", at: 4) && brands.contains { has($0, at: 8) } }
    let again = "replace or remove it"
    let convert = "convert it to PNG, or remove it"
    let (magick, jxl) = (
      "convert it to PNG (magick FILE FILE.png), or remove it", "convert it to PNG (djxl FILE FILE.png), or remove it"
    )
    let openjpeg = "convert it to PNG (opj_decompress -i FILE -o FILE.png), or remove it"
    let fetch = "download the image again, or remove it"
    let read: [(String, Bool)] = [
      ("a JPEG file", has([0xFF, 0xD8, 0xFF])), ("a PNG file", has([0x89] + Array("PNG".utf8))), ("a GIF file", has("GIF8")),
      ("a WebP file", has("RIFF") && has("WEBP", at: 8)),
      ("a TIFF file", has("II*\0") || has("MM\0*") || has("II+\0") || has("MM\0+")), ("an AVIF file", brand(["avif", "avis"])),
      ("a HEIC file", brand(["heic", "heix", "hevc", "mif1", "msf1"])),
    ]
    // libvips does not trust its loaders of these with files of strangers.
    let images: [(String, String, Bool)] = [
      ("a BMP file", magick, has("BM")), ("a Photoshop file", magick, has("8BPS")), ("an icon file", magick, has([0, 0, 1, 0])),
      ("a JPEG XL file", jxl, has([0xFF, 0x0A]) || has("JXL ", at: 4)),
      ("a JPEG 2000 file", openjpeg, has([0xFF, 0x4F, 0xFF, 0x51]) || has("jP  ", at: 4)), ("a PDF document", convert, has("%PDF")),
      ("a DirectDraw file", magick, has("DDS ")), ("an OpenEXR file", convert, has([0x76, 0x2F, 0x31, 0x01])),
      ("a Radiance file", convert, has("#?R")),
      ("a PNM file", magick, start.count > 2 && has("P") && (0x31...0x37).contains(start[1]) && start[2] <= 0x20),
      ("a PFM file", convert, start.count > 2 && has("P") && [0x46, 0x66].contains(start[1]) && start[2] <= 0x20),
    ]
    let other: [(String, Bool)] = [
      ("a video", has("ftyp", at: 4) || has([0x1A, 0x45, 0xDF, 0xA3]) || has("RIFF") && has("AVI ", at: 8)),
      ("a gzip file", has([0x1F, 0x8B])), ("a ZIP archive", has("PK")), ("a Parquet file", has("PAR1")),
      ("a tar archive", has("ustar", at: 257)),
    ]
    func first(_ kinds: [(String, Bool)]) -> String? { kinds.first { $0.1 }?.0 }

    if file.isEmpty {
      (name, isRead, advice) = ("an empty file", false, again)
    } else if let kind = first(read) {
      (name, isRead, advice) = (kind, true, again)
    } else if let (kind, advice, _) = images.first(where: { $0.2 }) {
      (name, isRead, self.advice) = (kind, false, advice)
    } else if let kind = first(other) {
      (name, isRead, advice) = (kind, false, fetch)
    } else if file.allSatisfy({ $0 == 0 }) {
      (name, isRead, advice) = ("a file of zeros", false, fetch)
    } else if let kind = Self.text(start, isWhole: file.count <= 512) {
      (name, isRead) = (kind, false)
      advice =
        switch kind {
        case "an SVG drawing": convert
        case "a pointer of Git LFS": "fetch the images themselves (git lfs pull)"
        default: fetch
        }
    } else {
      (name, isRead, advice) = ("no image file of a known kind", false, convert)
    }
  }

  private static func text(_ start: [UInt8], isWhole: Bool) -> String? {
    // The prefix may end inside a character, which has at most four bytes.
    let lengths = isWhole ? [start.count] : Array((max(0, start.count - 3)...start.count).reversed())
    guard let text = lengths.lazy.compactMap({ String(validating: start.prefix($0), as: UTF8.self) }).first else { return nil }
    if text.unicodeScalars.contains(where: { $0.value < 0x20 && !"\t\n\r".unicodeScalars.contains($0) }) { return nil }
    let lower = text.lowercased()
    if lower.contains("<!doctype html") || lower.contains("<html") { return "an HTML page" }
    if lower.contains("<svg") { return "an SVG drawing" }
    if lower.hasPrefix("version https://git-lfs") { return "a pointer of Git LFS" }
    return "a text"
  }
}
