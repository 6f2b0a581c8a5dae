/// Cuts text into the pieces inside which BPE may merge.
///
/// As published (issue 22 of the released code): lower case, and splitting on anything but a-z. A run of letters is a piece,
/// every other character stands alone; so digits, punctuation and spaces are never merged with anything.
enum PreTokenizer {
  /// The same rule as a regular expression, for the tokenizer file.
  static let pattern = "[a-z]+|[^a-z]"

  /// Lower case, scalar by scalar, without regard to context: what the `Lowercase` normaliser of the file does.
  static func normalize(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      if scalar.isASCII {
        let byte = UInt8(scalar.value)
        bytes.append(byte >= 65 && byte <= 90 ? byte + 32 : byte)
      } else {
        bytes.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      }
    }
    return bytes
  }

  /// Calls `body` with each piece of normalised text. The bytes of a character that stands alone come one by one: nothing
  /// merges them.
  static func forEachPiece(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
    var start = 0
    while start < bytes.count {
      var end = start + 1
      if isLetter(bytes[start]) {
        while end < bytes.count && isLetter(bytes[end]) { end += 1 }
      }
      body(bytes[start..<end])
      start = end
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { byte >= 97 && byte <= 122 }
}

/// The printable stand-ins for bytes in byte-level vocabularies: 188 printable bytes stand for themselves, the other 68 are
/// U+0100 and following (GPT-2).
enum ByteAlphabet {
  static let characters: [Character] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) {
        return Character(Unicode.Scalar(UInt8(byte)))
      }
      defer { next += 1 }
      return Character(Unicode.Scalar(next)!)
    }
  }()

  static func text(_ bytes: [UInt8]) -> String { String(bytes.map { characters[Int($0)] }) }
}
