import Errors
import Files
import Foundation

/// Reads a manifest line by line: JSONL, or CSV or TSV with named columns.
package struct ManifestReader {
  package enum Format: String {
    case jsonl, csv, tsv
  }

  /// A line's image path, relative to the manifest, and its captions.
  package struct Entry: Equatable {
    package var image: String
    package var captions: [String]
  }

  private let path: String
  private let format: Format
  private let columns: Columns
  private var lines: LineReader
  /// Positions of the columns in CSV and TSV.
  private var imageIndex = 0
  private var captionIndices: [Int] = []
  /// Number of the last record's first line.
  package private(set) var line = 0

  /// - Throws: `DalleError` for a file that cannot be read, or whose first line lacks the columns.
  package init(_ path: String, _ format: Format, columns: Columns) throws {
    (self.path, self.format, self.columns) = (path, format, columns)
    lines = try LineReader(path)
    if format != .jsonl { try readNames() }
  }

  /// The next entry; nil at the end. An entry that cannot be used is a `Skip`, and reading continues after it.
  package mutating func next() throws -> Result<Entry, Skip>? {
    switch format {
    case .jsonl:
      while let line = try lines.next() {
        self.line = line.number
        if line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
        return Result { () throws(Skip) in try entry(line) }
      }
      return nil
    case .csv, .tsv:
      guard let record = try record() else { return nil }
      return Result { () throws(Skip) in try entry(try record.get()) }
    }
  }

  private var location: String { "\(path):\(line)" }

  private func entry(_ line: LineReader.Line) throws(Skip) -> Entry {
    if line.isCut { throw Skip(location, .damagedSource, "the line has more than \(LineReader.limit) bytes") }
    guard let object = (try? JSONSerialization.jsonObject(with: line.bytes)) as? [String: Any] else {
      throw Skip(location, .damagedSource, "the line is not a JSON object in UTF-8")
    }
    guard let image = object[columns.image] as? String, !image.isEmpty else {
      throw Skip(location, .missingImage, "the line has no `\(columns.image)`")
    }
    let captions = columns.captions.flatMap { Self.captions(object[$0]) }
    guard !captions.isEmpty else {
      throw Skip(location, .noCaption, "the line has no `\(columns.captions.joined(separator: "`, `"))`")
    }
    return Entry(image: image, captions: captions)
  }

  /// The captions in a JSON value: a string, or a list of strings.
  static func captions(_ value: Any?) -> [String] {
    switch value {
    case let text as String: [text]
    case let texts as [Any]: texts.compactMap { $0 as? String }
    default: []
    }
  }

  // MARK: CSV and TSV

  private mutating func readNames() throws {
    guard let record = try record() else {
      throw DalleError(.data, "\(path): is empty; write the names of the columns into its first line")
    }
    guard case .success(let names) = record else {
      throw DalleError(
        .data, "\(path): the first line, which must name the columns, cannot be parsed; write it in UTF-8, with quotes closed")
    }
    func index(_ name: String) throws -> Int {
      guard let index = names.firstIndex(of: name) else {
        throw DalleError(
          .data,
          "\(path): has no column `\(name)` (its columns: \(names.map { "`\($0)`" }.joined(separator: ", "))); name one of them with `--image-column` or `--caption-column`"
        )
      }
      return index
    }
    imageIndex = try index(columns.image)
    captionIndices = try columns.captions.map(index)
  }

  private func entry(_ fields: [String]) throws(Skip) -> Entry {
    guard imageIndex < fields.count, !fields[imageIndex].isEmpty else {
      throw Skip(location, .missingImage, "the line has no `\(columns.image)`")
    }
    let captions = captionIndices.filter { $0 < fields.count && !fields[$0].isEmpty }.map { fields[$0] }
    guard !captions.isEmpty else {
      throw Skip(location, .noCaption, "the line has no `\(columns.captions.joined(separator: "`, `"))`")
    }
    return Entry(image: fields[imageIndex], captions: captions)
  }

  /// The fields of the next record that is not empty.
  private mutating func record() throws -> Result<[String], Skip>? {
    while let first = try lines.next() {
      line = first.number
      var bytes = first.bytes
      if first.number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
      if bytes.isEmpty { continue }
      var fields = Fields(format)
      fields.add(bytes)
      var last = first
      while fields.isOpen, !last.isCut {
        guard fields.byteCount <= LineReader.limit, let more = try lines.next() else {
          return .failure(
            Skip(location, .damagedSource, "a quoted field is not closed; lines up to \(last.number) are skipped with it"))
        }
        fields.add([UInt8(ascii: "\n")])
        fields.add(more.bytes)
        last = more
      }
      if last.isCut {
        return .failure(Skip(location, .damagedSource, "line \(last.number) has more than \(LineReader.limit) bytes"))
      }
      let texts = fields.finished.compactMap { String(validating: $0, as: UTF8.self) }
      guard texts.count == fields.finished.count else {
        return .failure(Skip(location, .unreadableCaption, "the line is not UTF-8; save the file as UTF-8"))
      }
      return .success(texts)
    }
    return nil
  }

  /// The fields of a record, which may span several lines. In CSV a field that begins with a quote may contain commas, line
  /// breaks and doubled quotes (RFC 4180); a quote inside an unquoted field is an ordinary character: 5" nails. In TSV a field
  /// ends at the next tab.
  private struct Fields {
    private enum State {
      case start, plain, quoted
      /// After a quote inside a quoted field: it closes the field, or is the first of a doubled quote.
      case afterQuote
    }

    private let separator: UInt8
    private let quote: UInt8?
    private var state = State.start
    private var done: [[UInt8]] = []
    private var field: [UInt8] = []
    /// Bytes so far.
    private(set) var byteCount = 0

    init(_ format: Format) {
      (separator, quote) = format == .csv ? (UInt8(ascii: ","), UInt8(ascii: "\"")) : (UInt8(ascii: "\t"), nil)
    }

    /// Whether the record continues on the next line.
    var isOpen: Bool { state == .quoted }
    var finished: [[UInt8]] { done + [field] }

    mutating func add(_ bytes: some Collection<UInt8>) {
      byteCount += bytes.count
      for byte in bytes {
        if state == .quoted {
          if byte == quote { state = .afterQuote } else { field.append(byte) }
        } else if byte == quote, state != .plain {
          if state == .afterQuote { field.append(byte) }
          state = .quoted
        } else if byte == separator {
          done.append(field)
          field.removeAll(keepingCapacity: true)
          state = .start
        } else {
          field.append(byte)
          state = .plain
        }
      }
    }
  }
}
