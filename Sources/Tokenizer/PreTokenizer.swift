/// How text is cut into the pieces inside which BPE may merge. Text is lower-cased first, by either rule.
public enum PreTokenizer: String, Codable, CaseIterable, Sendable {
  /// As published (issue 22 of the released code): a run of a-z is a piece, every other character stands alone; so digits,
  /// punctuation and spaces are never merged with anything.
  case published
  /// The rule of GPT-2: a run of letters or of digits of any script, or of other signs, each with the space before it. Fewer
  /// tokens a caption, and the better choice for languages that are not written in a-z.
  case gpt2

  /// The rule in the format of Hugging Face's `tokenizers`.
  var json: [String: Any] {
    let bytes: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true]
    switch self {
    case .published:
      let split: [String: Any] = [
        "type": "Split", "pattern": ["Regex": "[a-z]+|[^a-z]"], "behavior": "Isolated", "invert": false,
      ]
      return ["type": "Sequence", "pretokenizers": [split, bytes.merging(["use_regex": false]) { $1 }]]
    case .gpt2: return bytes.merging(["use_regex": true]) { $1 }
    }
  }

  /// Calls `body` with each piece of a text.
  func forEachPiece(of text: String, _ body: (ArraySlice<UInt8>) -> Void) {
    let bytes = Self.lowercased(text)
    switch self {
    case .published: Self.publishedPieces(bytes, body)
    case .gpt2: Self.gpt2Pieces(bytes, body)
    }
  }

  /// Lower case, scalar by scalar, without regard to context: what the `Lowercase` normaliser of the file does.
  private static func lowercased(_ text: String) -> [UInt8] {
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

  /// The bytes of a character that stands alone come one by one: nothing merges them.
  private static func publishedPieces(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
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

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  private static func gpt2Pieces(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    var classes: [(kind: Kind, end: Int)] = []  // of each character, and where it ends in the bytes
    classes.reserveCapacity(bytes.count)
    for scalar in scalars {
      classes.append((Kind(scalar), (classes.last?.end ?? 0) + UTF8.width(scalar)))
    }
    var next = 0
    func endOfRun(_ start: Int) -> Int {
      var end = start + 1
      while end < classes.count && classes[end].kind == classes[start].kind { end += 1 }
      return end
    }
    while next < classes.count {
      let start = next == 0 ? 0 : classes[next - 1].end
      if let ending = contraction(bytes[start...]) {
        next += ending  // one byte a character
      } else if classes[next].kind != .space {
        next = endOfRun(next)
      } else if bytes[start] == UInt8(ascii: " "), next + 1 < classes.count, classes[next + 1].kind != .space {
        next = endOfRun(next + 1)
      } else {
        // The last of several spaces before a word belongs to the word.
        let end = endOfRun(next)
        next = end == classes.count || end == next + 1 ? end : end - 1
      }
      body(bytes[start..<classes[next - 1].end])
    }
  }

  private enum Kind {
    case letter, number, space, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .number
      default: self = scalar.properties.isWhitespace ? .space : .other
      }
    }
  }

  /// The length of an English contraction's ending, if the text begins with one.
  private static func contraction(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.first == UInt8(ascii: "'") else { return nil }
    return ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].first { bytes.starts(with: $0.utf8) }?.utf8.count
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
