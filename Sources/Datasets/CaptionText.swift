import Files
import Foundation

/// Reads captions from files and cleans them.
enum CaptionText {
  /// Largest caption file, in bytes.
  static let limit = 8 << 20

  /// The captions in a file's bytes: one per line, or those under the named keys of a JSON object.
  static func captions(_ bytes: Data, isJSON: Bool, keys: [String], location: String) throws(Skip) -> [String] {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Skip(location, .unreadableCaption, "the caption is not UTF-8; save it as UTF-8")
    }
    if !isJSON { return text.split(whereSeparator: \.isNewline).map(String.init) }
    guard let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any] else {
      throw Skip(location, .unreadableCaption, "the caption file is not a JSON object")
    }
    return keys.flatMap { ManifestReader.captions(object[$0]) }
  }

  /// One line: runs of whitespace and control characters become single spaces; none at the ends.
  static func clean(_ caption: String) -> String {
    var scalars = String.UnicodeScalarView()
    var isPending = false
    for scalar in caption.unicodeScalars where scalar != "\u{FEFF}" {
      if scalar.properties.isWhitespace || scalar.properties.generalCategory == .control {
        isPending = !scalars.isEmpty
      } else {
        if isPending { scalars.append(" ") }
        isPending = false
        scalars.append(scalar)
      }
    }
    return String(scalars)
  }
}
