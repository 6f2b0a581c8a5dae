import Files
import Foundation

/// The lines of a manifest: JSONL, CSV or TSV with named columns.
struct ManifestReader {
  enum Format: String {
    case jsonl, csv, tsv
  }

  /// A line's picture, relative to the manifest, and its captions.
  struct Entry: Equatable {
    var image: String
    var captions: [String]
  }

  private let path: String
  private let format: Format
  private let columns: Columns
  private var lines: LineReader
  /// Where the columns stand in CSV and TSV.
  private var imageIndex = 0
  private var captionIndices: [Int] = []
  /// The first line of the last record, for messages.
  private(set) var line = 0

  init(_ path: String, _ format: Format, columns: Columns) throws {
    (self.path, self.format, self.columns) = (path, format, columns)
    lines = try LineReader(path)
    if format != .jsonl { try readNames() }
  }

  /// The next entry, or nil at the end. An entry that cannot be used is a `Skip`; the one after it can be asked for.
  mutating func next() throws -> Result<Entry, Skip>? {
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

  private var place: String { "\(path):\(line)" }

  private func entry(_ line: LineReader.Line) throws(Skip) -> Entry {
    if line.isCut { throw Skip(place, .damagedSource, "the line is longer than \(LineReader.limit) bytes") }
    guard let object = (try? JSONSerialization.jsonObject(with: line.bytes)) as? [String: Any] else {
      throw Skip(place, .damagedSource, "the line is not a JSON object in UTF-8")
    }
    guard let image = object[columns.image] as? String, !image.isEmpty else {
      throw Skip(place, .missingPicture, "there is no `\(columns.image)`")
    }
    let captions = columns.captions.flatMap { Self.captions(object[$0]) }
    guard !captions.isEmpty else {
      throw Skip(place, .noCaption, "there is no `\(columns.captions.joined(separator: "`, `"))`")
    }
    return Entry(image: image, captions: captions)
  }

  /// A JSON value as captions: a text, or a list of texts.
  static func captions(_ value: Any?) -> [String] {
    switch value {
    case let text as String: [text]
    case let texts as [Any]: texts.compactMap { $0 as? String }
    default: []
    }
  }

  // MARK: CSV and TSV

  private mutating func readNames() throws {
    guard let record = try record() else { throw DatasetError("\(path): the file is empty; its first line must name the columns") }
    guard case .success(let names) = record else { throw DatasetError("\(path): its first line, which must name the columns, cannot be read") }
    func index(_ name: String) throws -> Int {
      guard let index = names.firstIndex(of: name) else {
        throw DatasetError("\(path): there is no column `\(name)`; the first line names \(names.map { "`\($0)`" }.joined(separator: ", "))")
      }
      return index
    }
    imageIndex = try index(columns.image)
    captionIndices = try columns.captions.map(index)
  }

  private func entry(_ fields: [String]) throws(Skip) -> Entry {
    guard imageIndex < fields.count, !fields[imageIndex].isEmpty else {
      throw Skip(place, .missingPicture, "there is no `\(columns.image)`")
    }
    let captions = captionIndices.filter { $0 < fields.count && !fields[$0].isEmpty }.map { fields[$0] }
    guard !captions.isEmpty else {
      throw Skip(place, .noCaption, "there is no `\(columns.captions.joined(separator: "`, `"))`")
    }
    return Entry(image: fields[imageIndex], captions: captions)
  }

  /// The fields of the next record that is not empty. In CSV a field in quotes may hold commas, line breaks and doubled
  /// quotes (RFC 4180); in TSV a field ends at a tab, whatever it holds.
  private mutating func record() throws -> Result<[String], Skip>? {
    while let first = try lines.next() {
      line = first.number
      var bytes = first.bytes
      if first.number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
      if bytes.isEmpty { continue }
      var isCut = first.isCut
      // An odd number of quotes: the record goes on in the next line.
      while format == .csv, !isCut, bytes.count(where: { $0 == UInt8(ascii: "\"") }) % 2 == 1 {
        guard bytes.count <= LineReader.limit, let more = try lines.next() else {
          return .failure(Skip(place, .damagedSource, "a field in quotes does not end"))
        }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(more.bytes)
        isCut = more.isCut
      }
      if isCut { return .failure(Skip(place, .damagedSource, "the line is longer than \(LineReader.limit) bytes")) }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        return .failure(Skip(place, .unreadableCaption, "the line is not UTF-8"))
      }
      return .success(format == .csv ? Self.commaFields(text) : text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init))
    }
    return nil
  }

  private static func commaFields(_ text: String) -> [String] {
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      let quote = UInt8(ascii: "\"")
      if isQuoted {
        if byte != quote {
          field.append(byte)
        } else if index + 1 < bytes.count && bytes[index + 1] == quote {
          field.append(quote)
          index += 1
        } else {
          isQuoted = false
        }
      } else if byte == quote && field.isEmpty {
        isQuoted = true
      } else if byte == UInt8(ascii: ",") {
        fields.append(String(decoding: field, as: UTF8.self))
        field.removeAll()
      } else {
        field.append(byte)
      }
      index += 1
    }
    return fields + [String(decoding: field, as: UTF8.self)]
  }
}
