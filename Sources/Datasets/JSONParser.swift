/// A JSON value as files from elsewhere have it.
enum JSONValue {
  case null
  case bool(Bool)
  /// As it is written: also Python's NaN and Infinity.
  case number(String)
  case string(String)
  /// A string that is no text, and what it has that is none.
  case brokenString(String)
  case array([JSONValue])
  case object([(key: String, value: JSONValue)])

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .number: "a number"
    case .string: "a text"
    case .brokenString(let flaw): "a text with \(flaw)"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// The value of an object's key.
  subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }
}

/// Parses JSON (RFC 8259). Python writes NaN and Infinity, and halves of surrogate pairs: a number may be one, and a string with a
/// half alone, or with bytes that are not UTF-8, costs nothing but itself. JSONSerialization refuses the whole line.
struct JSONParser {
  struct Problem: Error {
    let detail: String
    let byte: Int
  }

  private static let depthLimit = 256

  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The value that is all of `bytes`.
  static func value(_ bytes: [UInt8]) throws(Problem) -> JSONValue {
    var parser = JSONParser(bytes)
    let value = try parser.next()
    guard parser.isAtEnd else { throw parser.problem("something follows the value") }
    return value
  }

  /// Whether nothing but blanks follows.
  var isAtEnd: Bool {
    mutating get {
      skipBlanks()
      return position == bytes.count
    }
  }

  /// The next value.
  mutating func next() throws(Problem) -> JSONValue { try value(depth: 0) }

  private func problem(_ detail: String) -> Problem { Problem(detail: detail, byte: position) }

  private mutating func skipBlanks() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func value(depth: Int) throws(Problem) -> JSONValue {
    guard depth < Self.depthLimit else { throw problem("values are nested more than \(Self.depthLimit) deep") }
    skipBlanks()
    if take("{") { return try object(depth: depth) }
    if take("[") { return try array(depth: depth) }
    if take("\"") { return try string() }
    let start = position
    while position < bytes.count, Self.isOfWord(bytes[position]) { position += 1 }
    let word = String(decoding: bytes[start..<position], as: UTF8.self)
    switch word {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "NaN", "Infinity", "-Infinity": return .number(word)
    default:
      guard word.count <= 400, Double(word) != nil, word.utf8.allSatisfy({ !Self.isLetter($0) || $0 == 0x65 || $0 == 0x45 }) else {
        position = start
        throw problem("there is no value")
      }
      return .number(word)
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
  private static func isOfWord(_ byte: UInt8) -> Bool {
    isLetter(byte) || (0x30...0x39).contains(byte) || [0x2B, 0x2D, 0x2E].contains(byte)
  }

  private mutating func array(depth: Int) throws(Problem) -> JSONValue {
    var values: [JSONValue] = []
    skipBlanks()
    if take("]") { return .array(values) }
    while true {
      values.append(try value(depth: depth + 1))
      skipBlanks()
      if take("]") { return .array(values) }
      guard take(",") else { throw problem("a list is not closed") }
    }
  }

  private mutating func object(depth: Int) throws(Problem) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = []
    skipBlanks()
    if take("}") { return .object(members) }
    while true {
      skipBlanks()
      guard take("\"") else { throw problem("an object has no key here") }
      let key = try string()
      skipBlanks()
      guard take(":") else { throw problem("a key has no value") }
      let value = try value(depth: depth + 1)
      if case .string(let name) = key { members.append((name, value)) }
      skipBlanks()
      if take("}") { return .object(members) }
      guard take(",") else { throw problem("an object is not closed") }
    }
  }

  /// The string whose first quote is taken.
  private mutating func string() throws(Problem) -> JSONValue {
    var text: [UInt8] = []
    var flaw: String?
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        if let flaw { return .brokenString(flaw) }
        return String(validating: text, as: UTF8.self).map(JSONValue.string) ?? .brokenString("letters that are not UTF-8")
      case UInt8(ascii: "\\"):
        guard let scalar = try escaped() else {
          flaw = "half of a surrogate pair (as \\ud83d), which is no character"
          continue
        }
        text += Array(String(Character(scalar)).utf8)
      default: text.append(byte)
      }
    }
    throw problem("a text is not closed")
  }

  /// The character of an escape whose backslash is taken; nil for half of a surrogate pair.
  private mutating func escaped() throws(Problem) -> Unicode.Scalar? {
    guard position < bytes.count else { throw problem("a text is not closed") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "u"):
      let first = try unit()
      if let scalar = Unicode.Scalar(first) { return scalar }
      let next = position
      if UTF16.isLeadSurrogate(first), take("\\"), take("u"), case let second = try unit(), UTF16.isTrailSurrogate(second) {
        return Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00))
      }
      position = next
      return nil
    default: throw problem("there is no escape `\\\(Character(Unicode.Scalar(byte)))`")
    }
  }

  private mutating func unit() throws(Problem) -> UInt16 {
    guard position + 4 <= bytes.count,
      let unit = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw problem("an escape has four hexadecimal digits") }
    position += 4
    return unit
  }
}
