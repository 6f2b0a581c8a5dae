import Files
import Foundation

/// Captions as files hold them, made clean.
enum CaptionText {
  /// Bytes that a caption file may have.
  static let limit = 8 << 20

  /// The captions in a file's bytes: one a line, or those under the named keys of a JSON object.
  static func captions(_ bytes: Data, isJSON: Bool, keys: [String], place: String) throws(Skip) -> [String] {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Skip(place, .unreadableCaption, "the caption is not UTF-8")
    }
    if !isJSON { return text.split(whereSeparator: \.isNewline).map(String.init) }
    guard let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any] else {
      throw Skip(place, .unreadableCaption, "the caption file is not a JSON object")
    }
    return keys.flatMap { ManifestReader.captions(object[$0]) }
  }

  /// One line without control characters, without spaces at its ends, with single spaces inside.
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
