import Foundation

/// What a file or an archive member is by its suffix. Suffixes only sort files: an image is decoded by its content.
enum FileKind: Equatable {
  case image, caption, archive
  /// Surely no image: counted, never decoded.
  case other
  /// May be an image: it is one of a sample if a caption is beside it and no file with an image's suffix.
  case unknown

  /// The first choice first.
  private static let captionSuffixes = ["txt", "caption", "json"]
  private static let imageSuffixes: Set<String> = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif", "avifs", "heic", "heif", "jxl",
    "jp2", "j2k", "ppm", "pgm", "pbm", "pnm", "svg", "ico", "tga", "psd",
  ]
  private static let otherSuffixes: Set<String> = [
    "parquet", "arrow", "csv", "tsv", "token", "jsonl", "ndjson", "html", "htm", "md", "pdf", "py", "sh", "xml", "yaml", "yml",
    "log", "gz",
    "zst", "bz2", "xz", "zip", "rar", "7z", "tbz2", "txz", "npy", "npz", "pt", "pth", "pkl", "safetensors", "bin", "idx", "index",
    "cls", "cls2", "id", "mp4", "mov", "avi", "mkv", "webm", "mp3", "wav", "flac", "lock", "partial",
  ]

  init(_ name: String) {
    let suffix = Self.suffix(name)
    if Self.isArchive(name) {
      self = .archive
    } else if Self.imageSuffixes.contains(suffix) {
      self = .image
    } else if Self.captionSuffixes.contains(suffix) {
      self = .caption
    } else {
      self = Self.otherSuffixes.contains(suffix) ? .other : .unknown
    }
  }

  /// After the last dot, in small letters; empty without one.
  static func suffix(_ name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }

  /// A name without its suffix.
  static func stem(_ name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }

  /// Names that the caption file of an image may have.
  static func captionNames(_ stem: String) -> [String] { captionSuffixes.map { "\(stem).\($0)" } }

  /// Place of a caption file among those of an image.
  static func captionRank(_ name: String) -> Int { captionSuffixes.firstIndex(of: suffix(name)) ?? captionSuffixes.count }

  static func isArchive(_ name: String) -> Bool {
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].contains { name.lowercased().hasSuffix($0) }
  }
}
