import Images

/// Where an image's bytes are: a whole file, or a part of an archive.
package struct ImageLocation: Codable, Hashable, Sendable {
  /// An absolute path; relative to the dataset's folder for an image that was copied out of a compressed archive.
  package var path: String
  package var offset: Int
  /// Bytes; nil before the image has been read.
  package var size: Int?

  init(_ path: String, offset: Int = 0, size: Int? = nil) { (self.path, self.offset, self.size) = (path, offset, size) }
}

/// An image of a dataset with its captions.
package struct Sample: Codable, Equatable, Sendable {
  /// Names the sample in messages: `file`, `manifest:line` or `archive:key`.
  package var location: String
  package var image: ImageLocation
  /// At least one.
  package var captions: [String]
  /// Index of its source in the dataset's options.
  package var source: Int
  /// Pixels after rotation by the file's orientation.
  package var width: Int
  package var height: Int
  /// The first 16 hexadecimal digits of the image file's SHA-256.
  package var contentHash: String
  /// What near duplicates are compared by.
  package var signature: ImageSignature
}

/// A line of a scanned work item: what a source lists, before an image or an archive is opened.
enum ScanEntry: Codable {
  case image(Candidate)
  case archive(path: String, source: Int)
  case skipped(Skip)
}

/// An image that a source lists, not yet validated.
struct Candidate: Codable {
  enum Captions: Codable {
    case inline([String])
    /// A file beside the image: one caption per line, or JSON.
    case file(String)
  }

  var location: String
  var image: ImageLocation
  var captions: Captions
  var source: Int
}
