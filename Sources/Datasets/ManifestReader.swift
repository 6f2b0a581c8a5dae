import Errors
import Files
import Foundation

/// Reads the entries of a manifest: JSONL, CSV or TSV with named columns, or a JSON list of objects; also COCO's captions, kohya's
/// metadata, and Flickr8k's and Flickr30k's lists, which name no columns.
package struct ManifestReader {
  package enum Format: String {
    case jsonl, csv, tsv, json

    /// nil for a file that is no manifest. A `.txt` file may be a table, and `.token` is the suffix of Flickr30k's.
    init?(path: String) {
      switch FileKind.suffix(path) {
      case "ndjson": self = .jsonl
      case "txt": self = .csv
      case "token": self = .tsv
      case let suffix: self.init(rawValue: suffix)
      }
    }
  }

  /// An image's path as the manifest has it, and its captions.
  package struct Entry: Equatable {
    package var image: String
    /// At least one.
    package var captions: [String]
    /// Why values beside the captions are none.
    package var unusable: [String] = []
  }

  private enum Body {
    case lines(TextLines)
    case table(TableReader, TableColumns)
    case document(JSONDocument)
  }

  private let path: String
  private let columns: Columns
  private var body: Body
  /// Number of the last entry's first line; of a JSON document, the number of the entry.
  package private(set) var line = 0

  /// - Throws: `DalleError` for a file that cannot be read, or whose first line lacks the columns.
  package init(_ path: String, _ format: Format, columns: Columns) throws {
    (self.path, self.columns) = (path, columns)
    switch format {
    case .csv, .tsv:
      let (table, names) = try TableColumns.open(path, format, columns)
      body = .table(table, names)
    case .jsonl, .json:
      let mayBeDocument = try format == .json || JSONDocument.isList(path)
      let document = mayBeDocument ? try JSONDocument(path, columns) : nil
      body = try document.map { .document($0) } ?? .lines(TextLines(path))
    }
  }

  /// The next entry; nil at the end. An entry that cannot be used is a `Skip`, and reading continues after it.
  package mutating func next() throws -> Result<Entry, Skip>? {
    switch body {
    case .lines(var lines):
      defer { body = .lines(lines) }
      while let bytes = try lines.next() {
        line = lines.number
        if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
        return Result { () throws(Skip) in try entry(bytes, isCut: lines.isCut) }
      }
      return nil
    case .table(var table, let names):
      defer { body = .table(table, names) }
      guard let record = try table.next() else { return nil }
      line = table.line
      return Result { () throws(Skip) in try names.entry(try record.get(), "\(path):\(line)") }
    case .document(var document):
      defer { body = .document(document) }
      guard let entry = document.next("\(path)", columns) else { return nil }
      line = document.number
      return entry
    }
  }

  private func entry(_ bytes: [UInt8], isCut: Bool) throws(Skip) -> Entry {
    let location = "\(path):\(line)"
    if isCut {
      throw Skip(
        location, .damagedSource, "the line has more than \(TextLines.limit) bytes; leave out what is neither path nor caption")
    }
    let value: JSONValue
    do {
      value = try JSONParser.value(bytes)
    } catch {
      let isText = String(validating: bytes, as: UTF8.self) != nil
      throw Skip(
        location, .damagedSource,
        isText
          ? "the line is not a JSON object: \(error.detail) (byte \(error.byte) of \(bytes.count))"
          : "the line is \(TextBytes.advice(path))")
    }
    return try Self.entry(value, columns, location)
  }

  /// The entry in a JSON object.
  static func entry(_ value: JSONValue, _ columns: Columns, _ location: String) throws(Skip) -> Entry {
    guard case .object(let members) = value else {
      throw Skip(location, .damagedSource, "is \(value.kind), not a JSON object with an image and captions")
    }
    let keys = members.map(\.key)
    guard let position = columns.imageIndex(in: keys) else {
      let address =
        Columns.addressIndex(in: keys) != nil ? "; images behind addresses must be downloaded first, with img2dataset" : ""
      throw Skip(
        location, .missingImage, "has no path of an image (\(columns.imageText)); its keys are \(Columns.list(keys))\(address)")
    }
    let image: String
    switch members[position].value {
    case .string(let path): image = path
    // Hugging Face's form of an image.
    case let value:
      guard case .string(let path)? = value["path"] else {
        throw Skip(location, .missingImage, "`\(keys[position])` is \(value.kind), not a path")
      }
      image = path
    }
    if image.isEmpty { throw Skip(location, .missingImage, "`\(keys[position])` is empty") }
    let (captions, unusable) = try Self.captions(members, columns, location)
    return Entry(image: image, captions: captions, unusable: unusable)
  }

  /// The captions in a JSON object, at least one, and why other values are none: numbers are taken as they are written.
  static func captions(_ members: [(key: String, value: JSONValue)], _ columns: Columns, _ location: String) throws(Skip) -> (
    captions: [String], unusable: [String]
  ) {
    var (captions, unusable): ([String], [String]) = ([], [])
    func add(_ value: JSONValue, _ key: String) {
      switch value {
      case .string(let text): if !text.isEmpty { captions.append(text) }
      case .number(let text): captions.append(text)
      case .array(let values): for value in values { add(value, key) }
      case .brokenString(let flaw): unusable.append("`\(key)` has \(flaw)")
      case .null, .bool, .object: unusable.append("`\(key)` is \(value.kind)")
      }
    }
    let present = members.filter { if case .null = $0.value { false } else { true } }
    let indices = columns.captionIndices(in: present.map(\.key))
    for index in indices { add(present[index].value, present[index].key) }
    if captions.isEmpty {
      if let problem = unusable.first { throw Skip(location, .unreadableCaption, problem) }
      guard indices.isEmpty else {
        throw Skip(location, .noCaption, "`\(present[indices[0]].key)` is empty")
      }
      throw Skip(
        location, .noCaption,
        "has no caption (\(columns.captionText)); its keys are \(Columns.list(members.map(\.key))): name one "
          + "with --caption-column")
    }
    return (captions, unusable)
  }
}

/// The columns of a table, by the names in its first line.
struct TableColumns {
  private let names: [String]
  private let separator: UInt8
  private let image: Int
  private let captions: [Int]
  /// Whether lines are Flickr8k's: `NAME.jpg#NUMBER`, a tab and a caption.
  private var areNumbered = false

  /// Opens a table behind its names. The separator is the one of the format, or that of `,`, tab, `;` and `|` with which the first
  /// line names the columns; a line `sep=;` before it decides.
  ///
  /// - Throws: `DalleError` for a table without the columns.
  static func open(_ path: String, _ format: ManifestReader.Format, _ columns: Columns) throws -> (TableReader, TableColumns) {
    if let numbered = try openNumbered(path) { return numbered }
    let usual: [UInt8] = format == .tsv ? Array("\t,;|".utf8) : Array(",\t;|".utf8)
    var first: [String]?
    for separator in usual {
      var table = try TableReader(path, separator: separator)
      guard let record = try table.next() else {
        throw DalleError(.data, "\(path): is empty; write the names of the columns into its first line")
      }
      guard case .success(var names) = record else { continue }
      if names[0].lowercased().hasPrefix("sep=") {
        guard names[0].utf8.dropFirst(4).first ?? separator == separator else { continue }
        guard case .success(let behind)? = try table.next() else { continue }
        names = behind
      }
      first = first ?? names
      let captions = columns.captionIndices(in: names)
      guard let image = columns.imageIndex(in: names), !captions.isEmpty, columns.missingCaption(in: names) == nil else { continue }
      return (table, TableColumns(names: names, separator: separator, image: image, captions: captions))
    }
    throw problem(path, format, columns, first)
  }

  /// Opens a list of lines without names of columns, `NAME.jpg#0`, a tab and a caption; nil for another kind of table. Quotes are
  /// ordinary characters in it.
  private static func openNumbered(_ path: String) throws -> (TableReader, TableColumns)? {
    let open = { try TableReader(path, separator: UInt8(ascii: "\t"), hasQuotes: false) }
    var first = try open()
    guard case .success(let fields)? = try first.next(), fields.count == 2, let name = unnumbered(fields[0]),
      FileKind(name) == .image
    else { return nil }
    var columns = TableColumns(names: ["image", "caption"], separator: UInt8(ascii: "\t"), image: 0, captions: [1])
    columns.areNumbered = true
    return (try open(), columns)
  }

  /// A name without `#NUMBER` behind it; nil without one.
  private static func unnumbered(_ name: String) -> String? {
    guard let sign = name.lastIndex(of: "#"), let digits = Optional(name[name.index(after: sign)...]), !digits.isEmpty,
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return String(name[..<sign])
  }

  private static func problem(_ path: String, _ format: ManifestReader.Format, _ columns: Columns, _ names: [String]?) -> DalleError
  {
    guard let names else {
      return DalleError(
        .data, "\(path): the first line, which must name the columns, cannot be parsed; write it in UTF-8, with quotes closed")
    }
    if columns.imageIndex(in: names) == nil {
      let address = Columns.addressIndex(in: names)
      if address != nil || names.contains(where: { $0.contains("://") }) {
        let captions = columns.captionIndices(in: names).first.map { names[$0] } ?? "CAPTIONS"
        let header = address == nil ? "; name the columns in its first line" : ""
        return DalleError(
          .data,
          "\(path): has addresses, not images (its columns: \(Columns.list(names)))\(header); download them and collect the output: "
            + "img2dataset --url_list \(path) --input_format \(format.rawValue) --url_col \(address.map { names[$0] } ?? "ADDRESSES") "
            + "--caption_col \(captions) --output_format webdataset --output_folder FOLDER")
      }
    }
    let missing =
      columns.imageIndex(in: names) == nil
      ? columns.imageText : columns.missingCaption(in: names).map { "`\($0)`" } ?? columns.captionText
    return DalleError(
      .data,
      "\(path): has no column \(missing) (its columns: \(Columns.list(names))); name one of them with `--image-column` or "
        + "`--caption-column`, or write the names of the columns into its first line")
  }

  /// The entry in a record.
  func entry(_ fields: [String], _ location: String) throws(Skip) -> ManifestReader.Entry {
    guard fields.count == names.count else {
      if areNumbered {
        throw Skip(location, .damagedSource, "is not NAME#NUMBER, a tab and a caption; write them, or remove the line")
      }
      let sign = separator == UInt8(ascii: "\t") ? "a tab" : "`\(Character(Unicode.Scalar(separator)))`"
      throw Skip(
        location, .damagedSource,
        "has \(fields.count) fields, the first line names \(names.count); put a field with \(sign) in quotes, and write every field"
      )
    }
    guard !fields[image].isEmpty else { throw Skip(location, .missingImage, "`\(names[image])` is empty") }
    let captions = captions.map { fields[$0] }.filter { !$0.isEmpty }
    guard !captions.isEmpty else {
      throw Skip(location, .noCaption, "\(Columns.list(self.captions.map { names[$0] })) is empty")
    }
    let name = areNumbered ? Self.unnumbered(fields[image]) ?? fields[image] : fields[image]
    return ManifestReader.Entry(image: name, captions: captions)
  }
}
