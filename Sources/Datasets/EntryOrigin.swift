import Files
import Foundation
import Hashing

/// Size and time of a file: a change is noticed by them without reading the file.
struct FileStamp: Codable, Equatable {
  var byteCount: Int
  /// Nanoseconds since 1970.
  var modified: Int

  /// Nil if there is no such file.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    byteCount = Int(status.st_size)
    modified = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
  }
}

/// The files that an entry of a scan is read from. It is recorded with the dataset: later changes of the sources are noticed, and
/// entries whose files have not changed need not be read again.
struct EntryOrigin: Codable, Equatable {
  /// The image, or the archive.
  var path: String
  /// Nil if the file is missing.
  var file: FileStamp?
  var captionFiles: [CaptionFile] = []
  /// The first 16 hexadecimal digits of the SHA-256 of captions that a manifest has.
  var captionHash: String?
  /// The same of the columns with which the captions of its files were chosen, if these are not the default ones.
  var columnHash: String?

  struct CaptionFile: Codable, Equatable {
    var path: String
    /// Nil if the file is missing.
    var file: FileStamp?

    init(_ path: String) { (self.path, file) = (path, FileStamp(path)) }
  }

  init(_ path: String) { (self.path, file) = (path, FileStamp(path)) }

  /// Equal for entries with the same image and, in a manifest, the same captions, else the same columns.
  var key: UInt64 { Self.hash([path, captionHash ?? ""] + (columnHash.map { [$0] } ?? [])) }

  /// Differs when one of the files has changed.
  var stamp: UInt64 {
    Self.hash(([file] + captionFiles.map(\.file)).flatMap { $0.map { ["\($0.byteCount)", "\($0.modified)"] } ?? ["missing"] })
  }

  private static func hash(_ parts: [String]) -> UInt64 { UInt64(shortHash(parts), radix: 16)! }

  /// The first 16 hexadecimal digits of the SHA-256 of texts.
  static func shortHash(_ parts: [String]) -> String {
    String(SHA256.hex(of: parts.joined(separator: "\0").utf8).prefix(16))
  }
}

extension ScanEntry {
  /// Nil for what the scan itself found, which needs no file.
  func origin(_ options: DatasetOptions) -> EntryOrigin? {
    func columnHash(_ source: Int) -> String? {
      let columns = options.sources[source].columns ?? options.columns
      return columns.captions.isEmpty ? nil : EntryOrigin.shortHash(columns.captions)
    }
    switch self {
    case .skipped, .unused, .note: return nil
    case .archive(let path, let source):
      var origin = EntryOrigin(path)
      origin.columnHash = columnHash(source)
      return origin
    case .image(let candidate):
      var origin = EntryOrigin(candidate.image.path)
      switch candidate.captions {
      case .inline(let captions): origin.captionHash = EntryOrigin.shortHash(captions)
      case .files(let paths):
        origin.captionFiles = paths.map { .init($0) }
        origin.columnHash = columnHash(candidate.source)
      }
      return origin
    }
  }
}
