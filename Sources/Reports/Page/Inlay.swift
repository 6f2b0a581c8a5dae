import Files
import Foundation
import Images

/// An image that is embedded in a page.
package struct Inlay: Sendable {
  /// The image's text alternative.
  package var name: String
  package var width: Int
  package var height: Int
  /// `data:image/...;base64,...`
  package var address: String

  /// Longest side that is stored without loss: JPEG would be no smaller, and blur the pixels.
  private static let lossless = 96
  /// Longest sides to which a file is shrunk, one after the other, until it is small enough.
  private static let sides = [1600, 1100, 800, 560, 400, 280]

  init(_ image: Image, name: String) throws {
    let isSmall = max(image.width, image.height) <= Self.lossless
    self.init(image, name: name, file: try isSmall ? image.png() : image.jpeg(quality: 85), format: isSmall ? "png" : "jpeg")
  }

  /// The PNG file at `path` as it is, if it has at most so many bytes; otherwise as JPEG, shrunk until it does.
  ///
  /// - Throws: `DalleError` that names the file.
  init(pngFile path: String, name: String, byteCount: Int) throws {
    let file = try readFile(path)
    let image = try Image(contentsOf: path)
    if file.count <= byteCount {
      self.init(image, name: name, file: file, format: "png")
      return
    }
    var smallest = (image: image, file: file)
    for side in Self.sides where smallest.file.count > byteCount {
      let shrunk = image.fitted(into: side)
      smallest = (shrunk, try shrunk.jpeg(quality: 82))
    }
    self.init(smallest.image, name: name, file: smallest.file, format: "jpeg")
  }

  private init(_ image: Image, name: String, file: Data, format: String) {
    (self.name, width, height) = (name, image.width, image.height)
    address = "data:image/\(format);base64,\(file.base64EncodedString())"
  }
}

extension Image {
  /// Shrunk, if it must be, until neither side is longer than `side`.
  func fitted(into side: Int) -> Image {
    let longest = max(width, height)
    if longest <= side { return self }
    return resized(width: max(1, width * side / longest), height: max(1, height * side / longest))
  }
}
