import Errors
import Files
import Foundation

/// The entries of a JSON file: a list of objects, or COCO's captions (`images` and `annotations`). It is in memory as a whole.
struct JSONDocument {
  /// Bytes of a file.
  private static let limit = 1 << 30

  private enum Item {
    case value(JSONValue)
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
    case .entry(let entry): return .success(entry)
    case .skip(let reason, let detail): return .failure(Skip(location, reason, detail))
    }
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
