import Errors
import Files
import Foundation

/// The entries of a JSON file: a list of objects, COCO's captions (`images` and `annotations`), or an object with a key per image, such
/// as kohya's `meta_cap.json`. It is in memory as a whole.
struct JSONDocument {
  /// Bytes of a file.
  private static let limit = 1 << 30

  private enum Item {
    case value(JSONValue)
    /// The captions of an image that a key names.
    case keyed(String, JSONValue)
    case entry(ManifestReader.Entry)
    case skip(SkipReason, String)
  }

  private let items: [Item]
  /// Of the last entry, from 1.
  private(set) var number = 0

  /// Whether a file begins with a list.
  static func isList(_ path: String) throws -> Bool {
    var bytes = try TextBytes(path)
    while let byte = try bytes.next() {
      if ![0x20, 0x09, 0x0A, 0x0D].contains(byte) { return byte == UInt8(ascii: "[") }
    }
    return false
  }

  /// nil for JSON Lines: several objects, one per line.
  ///
  /// - Throws: `DalleError` for another kind of file.
  init?(_ path: String, _ columns: Columns) throws {
    let size = try fileSize(path)
    guard size <= Self.limit else {
      throw DalleError(.data, "\(path): has \(size) bytes (at most \(Self.limit)); write one object per line into a .jsonl file")
    }
    var parser = JSONParser(try TextBytes.all(path))
    let value: JSONValue
    do {
      value = try parser.next()
      guard parser.isAtEnd else {
        if case .object = value { return nil }
        throw JSONParser.Problem(detail: "something follows the list", byte: 0)
      }
    } catch let problem as JSONParser.Problem {
      throw DalleError(
        .data, "\(path): is not JSON: \(problem.detail) (byte \(problem.byte) of \(size)); write it again")
    }
    switch value {
    case .array(let values): items = values.map(Item.value)
    case .object(let members):
      if case .array(let images)? = value["images"], case .array(let annotations)? = value["annotations"] {
        items = Self.coco(images, annotations)
      } else if Self.areKeyed(members) {
        items = members.map { .keyed($0.key, $0.value) }
      } else if columns.imageIndex(in: members.map(\.key)) != nil {
        items = [.value(value)]
      } else {
        throw DalleError(
          .data,
          "\(path): is no list of images and captions (its keys: \(Columns.list(members.map(\.key)))); write a list of objects "
            + "with `image` and `caption`, or COCO's `images` and `annotations`")
      }
    default:
      throw DalleError(.data, "\(path): is \(value.kind); write a list of objects with `image` and `caption`")
    }
  }

  /// The next entry; nil at the end.
  mutating func next(_ path: String, _ columns: Columns) -> Result<ManifestReader.Entry, Skip>? {
    guard number < items.count else { return nil }
    number += 1
    let location = "\(path):\(number)"
    switch items[number - 1] {
    case .value(let value): return Result { () throws(Skip) in try ManifestReader.entry(value, columns, location) }
    case .keyed(let name, let value): return Result { () throws(Skip) in try Self.keyed(name, value, columns, location) }
    case .entry(let entry): return .success(entry)
    case .skip(let reason, let detail): return .failure(Skip(location, reason, detail))
    }
  }

  /// Whether each key is an image's path with an object, or with captions alone.
  private static func areKeyed(_ members: [(key: String, value: JSONValue)]) -> Bool {
    func isText(_ value: JSONValue) -> Bool {
      switch value {
      case .string, .brokenString: true
      case .array(let values): values.allSatisfy(isText)
      default: false
      }
    }
    let areObjects = members.allSatisfy { if case .object = $0.value { true } else { false } }
    return !members.isEmpty && (areObjects || members.allSatisfy { FileKind($0.key) == .image && isText($0.value) })
  }

  private static func keyed(
    _ name: String, _ value: JSONValue, _ columns: Columns, _ location: String
  ) throws(Skip) -> ManifestReader.Entry {
    var (members, columns) = ([(key: "caption", value: value)], columns)
    if case .object(let inner) = value {
      members = inner
      // kohya's tags are the caption of an image without one.
      if columns.captions.isEmpty, columns.captionIndices(in: inner.map(\.key)).isEmpty { columns.captions = ["tags"] }
    } else {
      columns = Columns()
    }
    do {
      let (captions, unusable) = try ManifestReader.captions(members, columns, location)
      return ManifestReader.Entry(image: name, captions: captions, unusable: unusable)
    } catch { throw Skip(location, error.reason, "`\(name)`: \(error.detail)") }
  }

  /// An entry per image, with the captions of all its annotations.
  private static func coco(_ images: [JSONValue], _ annotations: [JSONValue]) -> [Item] {
    func identifier(_ value: JSONValue?) -> String? {
      switch value {
      case .number(let text), .string(let text): text
      default: nil
      }
    }
    var captions: [String: [String]] = [:]
    var unusable: [String: [String]] = [:]
    var lost: [Item] = []
    let known = Set(images.compactMap { identifier($0["id"]) })
    for annotation in annotations {
      guard let image = identifier(annotation["image_id"]), known.contains(image) else {
        lost.append(.skip(.missingImage, "an annotation belongs to no image (`image_id`)"))
        continue
      }
      switch annotation["caption"] {
      case .string(let text)? where !text.isEmpty: captions[image, default: []].append(text)
      case nil: unusable[image, default: []].append("an annotation has no `caption`: captions are in COCO's captions_*.json")
      case let value?: unusable[image, default: []].append("the `caption` of an annotation is \(value.kind)")
      }
    }
    return images.map { image in
      guard case .string(let name)? = image["file_name"], !name.isEmpty, let id = identifier(image["id"]) else {
        return .skip(.missingImage, "an image has no `file_name` or `id`")
      }
      guard let texts = captions[id] else {
        return .skip(.noCaption, unusable[id]?.first ?? "`\(name)` has no annotation")
      }
      return .entry(ManifestReader.Entry(image: name, captions: texts, unusable: unusable[id] ?? []))
    } + lost
  }
}
