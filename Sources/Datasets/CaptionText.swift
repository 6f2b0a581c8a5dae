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

  /// Characters that show nothing and part no words: soft hyphen, zero-width space, word joiner, byte order mark.
  private static let invisible: Set<Unicode.Scalar> = ["\u{AD}", "\u{200B}", "\u{2060}", "\u{FEFF}"]

  /// One line as a browser shows it: without entities and tags; runs of whitespace and control characters become single spaces;
  /// none at the ends. A caption of invisible characters alone gives one of them, so that it does not pass for an empty one.
  static func clean(_ caption: String) -> String {
    var scalars = String.UnicodeScalarView()
    var isPending = false
    for scalar in CaptionMarkup.removed(from: caption).unicodeScalars where !invisible.contains(scalar) {
      if scalar.properties.isWhitespace || scalar.properties.generalCategory == .control {
        isPending = !scalars.isEmpty
      } else {
        if isPending { scalars.append(" ") }
        isPending = false
        scalars.append(scalar)
      }
    }
    if scalars.isEmpty, let first = caption.unicodeScalars.first(where: { $0 != "\u{FEFF}" && invisible.contains($0) }) {
      return String(first)
    }
    return String(scalars)
  }
}
