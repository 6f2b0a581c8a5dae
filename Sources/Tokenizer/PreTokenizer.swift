/// How text is split into pieces; BPE merges only within a piece. Both rules lower-case the text first.
package enum PreTokenizer: String, Codable, CaseIterable, Sendable {
  /// As published (issue 22 of the released code): a run of a-z is a piece, every other character is a piece of its own. So digits,
  /// punctuation and spaces are never merged.
  case published
  /// The rule of GPT-2: a run of letters or digits of any script, or of other characters, each with the space before it. Gives
  /// fewer tokens per caption; the better choice for languages that are not written in a-z.
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
  @inline(__always) func forEachPiece(of text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    Self.lowercased(text).withUnsafeBufferPointer { bytes in
      var start = 0
      while start < bytes.count {
        let end = self == .published ? Self.publishedEnd(bytes, start) : Self.gpt2End(bytes, start)
        body(UnsafeBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
    }
  }

  /// Lower case, scalar by scalar, independent of context: what the file's `Lowercase` normalizer does.
  private static func lowercased(_ text: String) -> [UInt8] {
    var text = text
    let ascii = text.withUTF8 { utf8 -> [UInt8]? in
      if utf8.contains(where: { $0 >= 0x80 }) { return nil }
      return [UInt8](unsafeUninitializedCapacity: utf8.count) { bytes, count in
        for index in 0..<utf8.count { bytes[index] = lowercased(utf8[index]) }
        count = utf8.count
      }
    }
    if let ascii { return ascii }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      if scalar.isASCII {
        bytes.append(lowercased(UInt8(scalar.value)))
      } else if scalar.properties.changesWhenLowercased {
        bytes.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      } else {
        bytes.append(contentsOf: scalar.utf8)
      }
    }
    return bytes
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte + 32 : byte }

  /// End of the piece that starts at `start`. Each byte of a character outside a-z is a piece, because none is merged.
  private static func publishedEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var end = start + 1
    if isLetter(bytes[start]) {
      while end < bytes.count && isLetter(bytes[end]) { end += 1 }
    }
    return end
  }

  private static func isLetter(_ byte: UInt8) -> Bool { byte >= 97 && byte <= 122 }

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  private static func gpt2End(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    if let end = contractionEnd(bytes, start) { return end }
    let first = Scalar(bytes, start)
    if first.kind != .space { return runEnd(bytes, first).end }
    if bytes[start] == UInt8(ascii: " "), first.end < bytes.count, case let second = Scalar(bytes, first.end), second.kind != .space
    {
      return runEnd(bytes, second).end
    }
    // The last of several spaces before a word belongs to the word.
    let (last, end) = runEnd(bytes, first)
    return end == bytes.count || last == start ? end : last
  }

  /// End of the run of characters of one kind that starts with `first`, and start of its last character.
  private static func runEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ first: Scalar) -> (last: Int, end: Int) {
    var (last, end) = (first.start, first.end)
    while end < bytes.count {
      let next = Scalar(bytes, end)
      if next.kind != first.kind { break }
      (last, end) = (end, next.end)
    }
    return (last, end)
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

  /// A scalar in UTF-8: its kind and its byte range.
  private struct Scalar {
    let kind: Kind
    let start: Int
    let end: Int

    private static let ascii = (0..<0x80).map { Kind(Unicode.Scalar(UInt8($0))) }

    @inline(__always) init(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) {
      self.start = start
      if bytes[start] < 0x80 {
        (kind, end) = (Self.ascii[Int(bytes[start])], start + 1)
        return
      }
      // The bytes are a string's, so they are valid UTF-8.
      let count = bytes[start] < 0xE0 ? 2 : bytes[start] < 0xF0 ? 3 : 4
      end = start + count
      var value = UInt32(bytes[start]) & (0x7F >> UInt32(count))
      for index in start + 1..<end { value = value << 6 | UInt32(bytes[index] & 0x3F) }
      kind = Kind(Unicode.Scalar(value)!)
    }
  }

  /// End of the English contraction (`'s`, `'re`, ...) that starts at `start`; nil if there is none.
  private static func contractionEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    guard bytes[start] == UInt8(ascii: "'") else { return nil }
    let ending = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].first { bytes[start...].starts(with: $0.utf8) }
    return ending.map { start + $0.utf8.count }
  }
}

/// Printable characters for bytes in byte-level vocabularies: 188 printable bytes map to themselves, the other 68 to U+0100 and
/// following (GPT-2).
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
