import Images

/// Where a picture's bytes are: a whole file, or a part of an archive.
package struct ImageLocation: Codable, Hashable, Sendable {
  /// An absolute path; one relative to the dataset's folder for images that were copied there from a compressed archive.
  package var path: String
  package var offset: Int
  /// Bytes; nil where they have not been counted.
  package var size: Int?

  init(_ path: String, offset: Int = 0, size: Int? = nil) { (self.path, self.offset, self.size) = (path, offset, size) }
}

/// A captioned picture of a dataset.
package struct Sample: Codable, Equatable, Sendable {
  /// What it is called in messages: a path, a manifest's line, an archive and its key.
  package var place: String
  package var picture: ImageLocation
  /// At least one.
  package var captions: [String]
  /// Number of the source that it comes from, in the dataset's options.
  package var source: Int
  /// Pixels, as the picture is seen.
  package var width: Int
  package var height: Int
  /// The first 16 hexadecimal digits of the SHA-256 of the picture file.
  package var content: String
  package var look: ImageSignature
}

/// What a source's listing holds, before anything has been looked at.
enum ListedItem: Codable {
  case picture(Candidate)
  case archive(path: String, source: Int)
  case skipped(Skip)
}

/// A picture that a source names.
struct Candidate: Codable {
  enum Captions: Codable {
    case given([String])
    /// A file beside the picture: one caption a line, or JSON.
    case file(String)
  }

  var place: String
  var picture: ImageLocation
  var captions: Captions
  var source: Int
}
