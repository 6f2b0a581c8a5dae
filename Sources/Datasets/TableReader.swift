import Errors
import Files
import Foundation

/// Reads the records of a table (RFC 4180). A field in quotes may have separators, line ends and doubled quotes; blanks may be
/// around its quotes; a quote inside a field without quotes is an ordinary character: 5" nails. Anything else is a `Skip` of the
/// record's first line, and reading continues with the next line, so that a quote that is never closed costs one line.
struct TableReader {
  /// Bytes after its first line that a record in quotes may have.
  static let continuationLimit = 1 << 20

  private let path: String
  private let separator: UInt8
  private let hasQuotes: Bool
  private var bytes: TextBytes
  /// Of the next record's first line.
  private var nextLine = 1
  /// Of the last record's first line, from 1.
  private(set) var line = 0

  /// - Parameter hasQuotes: false where quotes are ordinary characters.
  init(_ path: String, separator: UInt8, hasQuotes: Bool = true) throws {
    (self.path, self.separator, self.hasQuotes) = (path, separator, hasQuotes)
    bytes = try TextBytes(path)
  }

  private enum State {
    case start, plain, quoted
    /// After a quote inside a quoted field: it closes the field, or is the first of a doubled quote.
    case afterQuote
    /// After a closed field: blanks may follow.
    case closed
  }

  private enum Step {
    case more, end
    case problem(String)
  }

  /// The fields of the next record that is not an empty line; nil at the end.
  mutating func next() throws -> Result<[String], Skip>? {
    while try bytes.peek() != nil {
      let (result, isEmpty) = try record()
      if !isEmpty { return result }
    }
    return nil
  }

  private mutating func record() throws -> (Result<[String], Skip>, isEmpty: Bool) {
    line = nextLine
    var (fields, field, state): ([[UInt8]], [UInt8], State) = ([], [], .start)
    var (count, lineEnds) = (0, 0)
    var continuation: [UInt8] = []
    func take(_ byte: UInt8?, isLineEnd: Bool) -> Step {
      guard let byte else {
        return state == .quoted ? .problem("no quote closes it; close it, or write a quote in it twice") : .end
      }
      if state == .quoted {
        if byte == UInt8(ascii: "\"") { state = .afterQuote } else { field.append(byte) }
        return .more
      }
      if isLineEnd { return .end }
      if byte == UInt8(ascii: "\""), state != .plain, hasQuotes {
        if state == .closed { return .problem("a quote follows a closed field; write a quote in a quoted field twice") }
        if state == .afterQuote { field.append(byte) } else { field.removeAll(keepingCapacity: true) }
        state = .quoted
      } else if byte == separator {
        fields.append(field)
        field.removeAll(keepingCapacity: true)
        state = .start
      } else if state == .afterQuote || state == .closed {
        guard byte == UInt8(ascii: " ") else {
          let isEscaped = field.last == UInt8(ascii: "\\")
          return .problem(
            isEscaped
              ? "a backslash is before a quote; write a quote in a quoted field twice: \"\""
              : "a closing quote is not before a separator or the end of the line; write a quote in a quoted field twice")
        }
        state = .closed
      } else {
        field.append(byte)
        if byte != UInt8(ascii: " ") { state = .plain }
      }
      return .more
    }
    while true {
      var byte = try bytes.next()
      let first = byte
      var raw = byte.map { [$0] } ?? []
      if byte == UInt8(ascii: "\r") {
        if try bytes.peek() == UInt8(ascii: "\n") { raw.append(try bytes.next()!) }
        byte = UInt8(ascii: "\n")
      }
      let isLineEnd = byte == UInt8(ascii: "\n")
      if lineEnds > 0 { continuation += raw }
      if isLineEnd { lineEnds += 1 }
      count += raw.count
      var step = take(byte, isLineEnd: isLineEnd)
      if count > TextLines.limit, lineEnds == 0 { step = .problem("the line has more than \(TextLines.limit) bytes") }
      if continuation.count > Self.continuationLimit {
        step = .problem(
          "no quote closes it within \(Self.continuationLimit) bytes; close it, or write a quote in it twice")
      }
      switch step {
      case .more: continue
      case .end:
        nextLine = line + max(1, lineEnds)
        if fields.isEmpty, field.isEmpty, state != .afterQuote, state != .closed { return (.success([]), true) }
        let texts = (fields + [field]).compactMap { String(validating: $0, as: UTF8.self) }
        guard texts.count == fields.count + 1 else {
          return (.failure(Skip("\(path):\(line)", .unreadableCaption, "the line is \(TextBytes.advice(path))")), false)
        }
        return (.success(texts), false)
      case .problem(let detail):
        nextLine = line + 1
        let location = "\(path):\(line)"
        guard lineEnds > 0 else {
          if first != nil { try skipLine() }
          return (.failure(Skip(location, .damagedSource, detail)), false)
        }
        // The lines behind the first are read again.
        bytes.giveBack(continuation)
        let reason = "a quoted field is not closed on this line (up to line \(line + lineEnds), \(detail))"
        return (.failure(Skip(location, .damagedSource, reason)), false)
      }
    }
  }

  private mutating func skipLine() throws {
    while let byte = try bytes.next() {
      if byte == UInt8(ascii: "\n") { return }
      if byte == UInt8(ascii: "\r") {
        if try bytes.peek() == UInt8(ascii: "\n") { _ = try bytes.next() }
        return
      }
    }
  }
}
