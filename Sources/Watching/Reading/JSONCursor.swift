import Foundation

/// Reads a JSON object key by key where its bytes lie, without building a tree: a log of a million lines takes a second or two.
///
///     while let key = json.nextKey() {
///       switch key {
///       case "step": step = json.integer()
///       default: json.skip()
///       }
///     }
///
/// A value of another type than asked for is passed over and gives nil. Damage ends every loop, and makes `isDamaged` true.
struct JSONCursor {
  /// A key as it stands in the file.
  struct Key {
    fileprivate let bytes: UnsafeBufferPointer<UInt8>

    var text: String { String(decoding: bytes, as: UTF8.self) }

    static func ~= (pattern: StaticString, key: Key) -> Bool {
      pattern.utf8CodeUnitCount == key.bytes.count && memcmp(pattern.utf8Start, key.bytes.baseAddress!, key.bytes.count) == 0
    }
  }

  private var at: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private(set) var isDamaged = false

  /// Calls `body` inside of the object that is all of `bytes`.
  ///
  /// - Parameter bytes: followed by a byte that is part of no number, such as a line break.
  /// - Returns: false if they are no JSON object, or a damaged one.
  static func object(_ bytes: UnsafeRawBufferPointer, _ body: (inout JSONCursor) -> Void) -> Bool {
    guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return false }
    var json = JSONCursor(at: start, end: start + bytes.count)
    guard json.take("{") else { return false }
    body(&json)
    json.skipBlanks()
    return !json.isDamaged && json.at == json.end
  }

  private init(at start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) { (at, self.end) = (start, end) }

  // MARK: Objects and lists

  /// The next key of the object that was entered, or nil after its last value, which leaves it.
  mutating func nextKey() -> Key? {
    if take("}") { return nil }
    _ = take(",")
    guard let bytes = rawString(), take(":") else {
      isDamaged = true
      return nil
    }
    return Key(bytes: bytes)
  }

  /// Enters an object; passes over anything else.
  mutating func enterObject() -> Bool {
    if take("{") { return true }
    skip()
    return false
  }

  /// A list, each element read by `element`.
  mutating func list<Element>(_ element: (inout JSONCursor) -> Element) -> [Element]? {
    guard take("[") else {
      skip()
      return nil
    }
    var elements: [Element] = []
    while !isDamaged, !take("]") {
      _ = take(",")
      elements.append(element(&self))
    }
    return isDamaged ? nil : elements
  }

  /// An object whose values are numbers, in the file's order.
  mutating func numbersByName() -> [NamedNumber]? {
    guard enterObject() else { return nil }
    var numbers: [NamedNumber] = []
    while let key = nextKey() {
      if let value = number() { numbers.append(NamedNumber(name: key.text, value: value)) }
    }
    return numbers
  }

  // MARK: Values

  /// A number, or one of the strings that stand for what JSON has no number for.
  mutating func number() -> Double? {
    skipBlanks()
    guard at < end else {
      isDamaged = true
      return nil
    }
    switch at.pointee {
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      var after: UnsafeMutablePointer<CChar>?
      let value = UnsafeRawPointer(at).withMemoryRebound(to: CChar.self, capacity: end - at) { strtod($0, &after) }
      let start = at
      at = UnsafeRawPointer(after!).assumingMemoryBound(to: UInt8.self)
      // A number may be cut off by the end, and then it is another one; and a sign alone is none.
      if at >= end || at == start { isDamaged = true }
      return isDamaged ? nil : value
    case UInt8(ascii: "\""):
      return switch string() {
      case "inf": .infinity
      case "-inf": -.infinity
      case "nan": .nan
      default: nil
      }
    default:
      skip()
      return nil
    }
  }

  /// A count, a step or an index; what is larger than any of a run is damage, and would overflow.
  mutating func integer() -> Int? { number().flatMap { abs($0) < 1e13 ? Int(exactly: $0) : nil } }

  mutating func bool() -> Bool? {
    skipBlanks()
    let value: Bool? = starts("true") ? true : starts("false") ? false : nil
    skip()
    return value
  }

  mutating func string() -> String? {
    skipBlanks()
    guard at < end, at.pointee == UInt8(ascii: "\"") else {
      skip()
      return nil
    }
    guard let bytes = rawString() else { return nil }
    guard bytes.contains(UInt8(ascii: "\\")) else { return String(decoding: bytes, as: UTF8.self) }
    let quoted = UnsafeRawBufferPointer(start: bytes.baseAddress! - 1, count: bytes.count + 2)
    // Escapes are rare, and Foundation knows them all.
    return try? JSONDecoder().decode([String].self, from: Data("[".utf8) + Data(quoted) + Data("]".utf8)).first
  }

  /// Passes over a value of any type.
  mutating func skip() {
    var depth = 0
    repeat {
      skipBlanks()
      guard at < end else {
        isDamaged = true
        return
      }
      switch at.pointee {
      case UInt8(ascii: "\""): _ = rawString()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        at += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 {
          isDamaged = true
          return
        }
        depth -= 1
        at += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        if depth == 0 {
          isDamaged = true
          return
        }
        at += 1
      default: skipWord()
      }
    } while depth > 0 && !isDamaged
  }

  // MARK: Bytes

  private mutating func skipBlanks() { while at < end, at.pointee <= 0x20 { at += 1 } }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard at < end, at.pointee == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private func starts(_ word: StaticString) -> Bool {
    end - at >= word.utf8CodeUnitCount && memcmp(at, word.utf8Start, word.utf8CodeUnitCount) == 0
  }

  /// A number, `true`, `false` or `null`.
  private mutating func skipWord() {
    let start = at
    while at < end, isalnum(Int32(at.pointee)) != 0 || "+-.".utf8.contains(at.pointee) { at += 1 }
    if at == start || at == end { isDamaged = true }
  }

  /// What is between the quotes of a string.
  private mutating func rawString() -> UnsafeBufferPointer<UInt8>? {
    guard take("\"") else {
      isDamaged = true
      return nil
    }
    let start = at
    while at < end, at.pointee != UInt8(ascii: "\"") { at += at.pointee == UInt8(ascii: "\\") ? 2 : 1 }
    guard at < end else {
      (at, isDamaged) = (end, true)
      return nil
    }
    defer { at += 1 }
    return UnsafeBufferPointer(start: start, count: at - start)
  }
}

/// A number and what it is called: a part of the loss, a value of a validation.
package struct NamedNumber: Sendable, Equatable {
  package var name: String
  package var value: Double
}
