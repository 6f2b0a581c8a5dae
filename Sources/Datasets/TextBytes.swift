import Errors
import Files
import Foundation

/// The bytes of a text file as UTF-8, without its byte order mark; UTF-16 is converted. Memory holds a block.
struct TextBytes {
  enum Encoding {
    case utf8
    case utf16(isBigEndian: Bool)
  }

  private static let blockSize = 1 << 16

  private let file: RandomAccessFile
  private let encoding: Encoding
  private var offset: Int
  private var buffer: [UInt8] = []
  private var position = 0
  /// The first half of a character that the next block ends.
  private var half: UInt16?

  /// - Throws: `DalleError` for a file that cannot be opened, or is not a plain file.
  init(_ path: String) throws {
    file = try RandomAccessFile(path)
    let start = try file.read(0..<min(4, file.size))
    (encoding, offset) = Self.encoding(start)
  }

  /// The encoding that a file's first bytes show, and the size of its byte order mark. A NUL beside the first character shows
  /// UTF-16 without a mark.
  static func encoding(_ start: [UInt8]) -> (Encoding, markSize: Int) {
    if start.starts(with: [0xEF, 0xBB, 0xBF]) { return (.utf8, 3) }
    guard start.count >= 2 else { return (.utf8, 0) }
    return switch (start[0], start[1]) {
    case (0xFF, 0xFE): (.utf16(isBigEndian: false), 2)
    case (0xFE, 0xFF): (.utf16(isBigEndian: true), 2)
    case (1..., 0): (.utf16(isBigEndian: false), 0)
    case (0, 1...): (.utf16(isBigEndian: true), 0)
    default: (.utf8, 0)
    }
  }

  /// A whole file.
  static func all(_ path: String) throws -> [UInt8] {
    var (bytes, all) = (try TextBytes(path), [UInt8]())
    while try bytes.fill() { all += bytes.buffer }
    return all
  }

  /// The text in a file's bytes, which are UTF-16 only with a byte order mark; nil if it is not valid.
  static func text(_ bytes: Data) -> String? {
    let (encoding, markSize) = encoding(Array(bytes.prefix(4)))
    let content = bytes.dropFirst(markSize)
    guard case .utf16(let isBigEndian) = encoding, markSize > 0 else { return String(validating: content, as: UTF8.self) }
    // Behind a mark that is none there may be another encoding: four characters of UTF-16 whose bytes are all those of ASCII text are rare.
    let isASCII = content.count >= 8 && content.allSatisfy { (0x20...0x7E).contains($0) || [0x09, 0x0A, 0x0D].contains($0) }
    if isASCII || content.count % 2 != 0 { return nil }
    return String(validating: units(Array(content), isBigEndian: isBigEndian), as: UTF16.self)
  }

  /// The next byte without taking it; nil at the end.
  mutating func peek() throws -> UInt8? {
    if position == buffer.count, try !fill() { return nil }
    return buffer[position]
  }

  /// The next byte; nil at the end.
  mutating func next() throws -> UInt8? {
    guard let byte = try peek() else { return nil }
    position += 1
    return byte
  }

  /// Gives bytes back: they are the next ones.
  mutating func giveBack(_ bytes: [UInt8]) { (buffer, position) = (bytes + buffer[position...], 0) }

  /// What to do with a file of another encoding.
  static func advice(_ path: String) -> String {
    "not UTF-8 (Windows-1252?); convert the file: iconv -f WINDOWS-1252 -t UTF-8 \((path as NSString).lastPathComponent) > NEW"
  }

  private mutating func fill() throws -> Bool {
    while offset < file.size {
      let block = try file.read(offset..<min(offset + Self.blockSize, file.size))
      offset += block.count
      position = 0
      switch encoding {
      case .utf8: buffer = block
      case .utf16(let isBigEndian):
        var units = (half.map { [$0] } ?? []) + Self.units(block, isBigEndian: isBigEndian)
        half = nil
        if offset < file.size, let last = units.last, UTF16.isLeadSurrogate(last) { half = units.removeLast() }
        buffer = Array(String(decoding: units, as: UTF16.self).utf8)
      }
      if !buffer.isEmpty { return true }
    }
    return false
  }

  private static func units(_ bytes: [UInt8], isBigEndian: Bool) -> [UInt16] {
    stride(from: 0, to: bytes.count - 1, by: 2).map {
      let (first, second) = (UInt16(bytes[$0]), UInt16(bytes[$0 + 1]))
      return isBigEndian ? first << 8 | second : second << 8 | first
    }
  }
}

/// Lines of a text file, which end in LF, CR LF or CR.
struct TextLines {
  /// Bytes of a line; a longer one is cut.
  static let limit = 8 << 20

  private var bytes: TextBytes
  /// Of the last line, from 1.
  private(set) var number = 0
  /// Whether the last line was longer than the limit.
  private(set) var isCut = false

  init(_ path: String) throws { bytes = try TextBytes(path) }

  /// The next line without its end; nil at the end of the file.
  mutating func next() throws -> [UInt8]? {
    guard try bytes.peek() != nil else { return nil }
    var line: [UInt8] = []
    (number, isCut) = (number + 1, false)
    while let byte = try bytes.next() {
      if byte == UInt8(ascii: "\n") { break }
      if byte == UInt8(ascii: "\r") {
        if try bytes.peek() == UInt8(ascii: "\n") { _ = try bytes.next() }
        break
      }
      if line.count < Self.limit { line.append(byte) } else { isCut = true }
    }
    return line
  }
}
