import Foundation

/// Names of the columns, or JSON keys, of manifests and of JSON files beside images. They are compared without case and without
/// blanks around them.
package struct Columns: Codable, Equatable, Sendable {
  /// nil takes the first of `imageNames` that exists.
  package var image: String?
  /// Captions are taken from each of these that exists; by default from the first of `captionNames` that exists.
  package var captions: [String]

  package static let imageNames = [
    "image", "file_name", "filename", "path", "file", "filepath", "image_path", "image_name",
  ]
  /// `comment` is Flickr30k's name.
  package static let captionNames = ["caption", "text", "prompt", "description", "captions", "title", "comment"]

  package init(image: String? = nil, captions: [String] = []) { (self.image, self.captions) = (image, captions) }

  /// Position of the image's column.
  func imageIndex(in names: [String]) -> Int? {
    let names = names.map(Self.plain)
    return (image.map { [Self.plain($0)] } ?? Self.imageNames).lazy.compactMap(names.firstIndex).first
  }

  /// Positions of the captions' columns.
  func captionIndices(in names: [String]) -> [Int] {
    let names = names.map(Self.plain)
    if !captions.isEmpty {
      return captions.map(Self.plain).flatMap { wanted in names.indices.filter { names[$0] == wanted } }
    }
    guard let name = Self.captionNames.first(where: names.contains) else { return [] }
    return names.indices.filter { names[$0] == name }
  }

  /// The first of the given names of captions that does not exist.
  func missingCaption(in names: [String]) -> String? {
    captions.first { Columns(captions: [$0]).captionIndices(in: names).isEmpty }
  }

  /// Position of a column of addresses.
  static func addressIndex(in names: [String]) -> Int? {
    let names = names.map(plain)
    return ["url", "image_url", "img_url"].lazy.compactMap(names.firstIndex).first
  }

  /// The names that are looked for, for messages.
  var imageText: String { Self.list(image.map { [$0] } ?? Self.imageNames) }
  var captionText: String { Self.list(captions.isEmpty ? Self.captionNames : captions) }

  /// At most ten names.
  static func list(_ names: some Collection<String>) -> String {
    names.isEmpty
      ? "none" : names.prefix(10).map { "`\($0.prefix(60))`" }.joined(separator: ", ") + (names.count > 10 ? ", ..." : "")
  }

  private static func plain(_ name: String) -> String { name.trimmingCharacters(in: .whitespacesAndNewlines).lowercased() }
}
