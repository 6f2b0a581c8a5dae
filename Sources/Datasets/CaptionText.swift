import Files
import Foundation

/// How a text file beside an image is read.
package enum CaptionForm: String, Codable, CaseIterable, Sendable {
  /// Each line is a caption.
  case line
  /// The whole file is one caption.
  case file
}

/// Reads captions from files and cleans them.
package enum CaptionText {
  /// Largest caption file, in bytes.
  static let limit = 8 << 20

  /// What a caption file holds.
  struct Contents {
    var captions: [String]
    /// Why JSON values beside the captions are none.
    var unusable: [String] = []
    /// Lines of a text file that are not empty.
    var lines = 1
  }

  /// The captions in a file's bytes: those under the columns' keys of a JSON object; else one per line, or the whole text.
  static func contents(
    _ bytes: Data, name: String, columns: Columns, form: CaptionForm, location: String
  ) throws(Skip) -> Contents {
    guard let text = TextBytes.text(bytes) else {
      throw Skip(location, .unreadableCaption, "`\(name)` is \(TextBytes.advice(name))")
    }
    guard FileKind.suffix(name) == "json" else {
      let lines = text.split(whereSeparator: \.isNewline).map(String.init).filter { !clean($0).isEmpty }
      return Contents(captions: form == .file ? [text] : lines, lines: lines.count)
    }
    let value: JSONValue
    do {
      value = try JSONParser.value(Array(text.utf8))
    } catch {
      throw Skip(location, .unreadableCaption, "`\(name)` is not JSON: \(error.detail) (byte \(error.byte) of \(bytes.count))")
    }
    guard case .object(let members) = value else {
      throw Skip(location, .unreadableCaption, "`\(name)` is \(value.kind), not a JSON object with a caption")
    }
    do {
      let (captions, unusable) = try ManifestReader.captions(members, columns, location)
      return Contents(captions: captions, unusable: unusable)
    } catch { throw Skip(location, error.reason, "`\(name)`: \(error.detail)") }
  }

  /// Characters that show nothing and part no words: soft hyphen, zero-width space, word joiner, byte order mark.
  private static let invisible: Set<Unicode.Scalar> = ["\u{AD}", "\u{200B}", "\u{2060}", "\u{FEFF}"]

  /// One line as a browser shows it: without entities and tags; runs of whitespace and control characters become single spaces;
  /// none at the ends. A caption of invisible characters alone gives one of them, so that it does not pass for an empty one.
  package static func clean(_ caption: String) -> String {
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
