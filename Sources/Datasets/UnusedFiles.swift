import Foundation

/// Files or archive members of a kind that no sample uses.
package struct UnusedFiles: Codable, Equatable, Sendable {
  /// What they are, for the log: `.parquet files`, `hidden files`.
  package var kind: String
  package var count: Int
  /// The first of them, as an example.
  package var first: String

  /// A line for the log, with what to do.
  package var line: String {
    "not used: \(kind): \(count.formatted()) (\(count == 1 ? "" : "the first: ")\(first)); \(advice)"
  }

  private var advice: String {
    switch kind.hasPrefix(".") ? String(kind.dropLast(Self.suffixed.count)) : kind {
    case Self.hidden: "their names begin with a dot: rename them if they are images"
    case Self.special: "copy what is in them into plain files"
    case Self.usedFolder: "nothing is to be done: each folder is used once"
    case Self.brokenLink: "what they link to is missing: restore it, or remove the links"
    case Self.badName: "rename them, e.g. with convmv -f latin1 -t utf8"
    case Self.furtherCaptions: "nothing is to be done: the first file with a caption is used"
    case Self.furtherImages: "the caption is of KEY.jpg: pack KEY.NAME.jpg with KEY.NAME.txt, or under a key of its own"
    case Self.img2dataset: "nothing is to be done: they belong to the archives or folders of the same name"
    case ".parquet", ".arrow": "turn them into archives with Launch/import-parquet, and name its output as a source"
    case ".txt", ".caption", ".json":
      "no image has the same name: give each its image; a list of images and captions is a source of its own (dalle-prep collect LIST)"
    case ".csv", ".tsv", ".token", ".jsonl", ".ndjson":
      "a list of images and captions is a source of its own (dalle-prep collect LIST)"
    case ".tar", ".tar.gz", ".tgz", ".tar.zst": "unpack these archives from the archive, and name them as sources of their own"
    case ".zip", ".rar", ".7z", ".tar.bz2", ".tar.xz", ".tbz2", ".txz", ".bz2", ".xz", ".gz", ".zst":
      "unpack them first; archives may be .tar, .tar.gz, .tgz or .tar.zst"
    case ".mp4", ".mov", ".avi", ".mkv", ".webm": "videos are not read: extract frames as images"
    default: "no caption (NAME.txt, NAME.caption, NAME.json) is beside them: if they are images, give them captions"
    }
  }

  static let hidden = "hidden files"
  static let special = "pipes, sockets and devices"
  static let usedFolder = "links to folders that are used already"
  static let brokenLink = "broken links"
  static let badName = "names that are not UTF-8"
  static let furtherCaptions = "further files with captions of an image"
  static let furtherImages = "further images of a key"
  static let img2dataset = "img2dataset's statistics"
  private static let noSuffix = "files without a suffix"
  private static let suffixed = " files"

  /// The kind of a file that is known by its suffix.
  static func kind(ofSuffix name: String) -> String {
    let lower = name.lowercased()
    if let packed = [".tar.bz2", ".tar.xz", ".tar.gz", ".tar.zst"].first(where: lower.hasSuffix) { return packed + suffixed }
    let suffix = FileKind.suffix(name)
    // A long "suffix" is a sentence with a dot in it.
    return suffix.isEmpty || suffix.count > 16 ? noSuffix : ".\(suffix)\(suffixed)"
  }
}

/// Counts files that no sample uses.
struct UnusedFileCounts {
  private var kinds: [String: UnusedFiles] = [:]

  mutating func add(_ kind: String, _ path: String) { add(UnusedFiles(kind: kind, count: 1, first: path)) }

  mutating func add(_ files: UnusedFiles) {
    kinds[files.kind, default: UnusedFiles(kind: files.kind, count: 0, first: files.first)].count += files.count
  }

  /// In the order of their kinds.
  var all: [UnusedFiles] { kinds.values.sorted { $0.kind < $1.kind } }
}
