import Foundation

/// Files or archive members of a kind that no sample uses.
package struct UnusedFiles: Codable, Equatable, Sendable {
  /// What they are, in words that follow their number: `.parquet`, `hidden`.
  package var kind: String
  package var count: Int
  /// The first of them, as an example.
  package var first: String

  /// A line for the log, with what to do.
  package var line: String {
    "not used: \(count.formatted()) \(kind) \(count == 1 ? "file" : "files") (\(count == 1 ? "" : "the first: ")\(first)); \(advice)"
  }

  private var advice: String {
    switch kind {
    case Self.hidden: "their names begin with a dot: rename them if they are images"
    case Self.special: "they are pipes, sockets or devices: copy what is in them into plain files"
    case Self.seen: "they link to a folder whose files are used once already: nothing is to be done"
    case Self.brokenLink: "what they link to is missing: restore it, or remove the links"
    case Self.badName: "their names are not UTF-8: rename them, e.g. with convmv -f latin1 -t utf8"
    case Self.furtherCaptions: "the captions come from another file beside the image: nothing is to be done"
    case Self.furtherImages: "the archive has the caption for another image of the same key: pack them under keys of their own"
    case Self.img2dataset: "they belong to archives or folders of the same name: nothing is to be done"
    case Self.memberOfNoKind: "samples have files with names such as KEY.jpg and KEY.txt: pack them again with such names"
    case ".parquet", ".arrow": "turn them into archives with Launch/import-parquet, and name its output as a source"
    case ".txt", ".caption", ".json":
      "no image has the same name: give each its image; a list of images and captions is a source of its own (dalle-prep collect LIST)"
    case ".csv", ".tsv", ".jsonl", ".ndjson": "a list of images and captions is a source of its own (dalle-prep collect LIST)"
    case ".zip", ".rar", ".7z": "unpack them first"
    case ".tar.bz2", ".tar.xz", ".tbz2", ".txz", ".bz2", ".xz", ".gz", ".zst":
      "unpack them first; archives may be .tar, .tar.gz, .tgz or .tar.zst"
    case ".tar", ".tar.gz", ".tgz", ".tar.zst": "unpack these archives from the archive, and name them as sources of their own"
    case ".mp4", ".mov", ".avi", ".mkv", ".webm": "videos are not read: extract frames as images"
    default: "no caption (NAME.txt, NAME.caption, NAME.json) is beside them: if they are images, give them captions; else nothing is to be done"
    }
  }

  static let hidden = "hidden"
  static let special = "special"
  static let seen = "repeated"
  static let brokenLink = "broken link"
  static let badName = "wrongly named"
  static let furtherCaptions = "further caption"
  static let furtherImages = "further image"
  static let img2dataset = "statistics"
  static let memberOfNoKind = "unnamed"

  /// The kind of a file that is known by its suffix.
  static func kind(ofSuffix name: String) -> String {
    let lower = name.lowercased()
    if let packed = [".tar.bz2", ".tar.xz", ".tar.gz", ".tar.zst"].first(where: lower.hasSuffix) { return packed }
    let suffix = FileKind.suffix(name)
    return suffix.isEmpty || suffix.count > 16 || !suffix.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
      ? "other" : ".\(suffix)"
  }
}

/// Counts files that no sample uses.
struct UnusedFileCounts {
  private var kinds: [String: UnusedFiles] = [:]

  mutating func add(_ kind: String, _ path: String) { add(UnusedFiles(kind: kind, count: 1, first: path)) }

  mutating func add(_ files: UnusedFiles) { kinds[files.kind, default: UnusedFiles(kind: files.kind, count: 0, first: files.first)].count += files.count }

  /// In the order of their kinds.
  var all: [UnusedFiles] { kinds.values.sorted { $0.kind < $1.kind } }
}
