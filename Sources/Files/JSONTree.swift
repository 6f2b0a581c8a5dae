/// Any JSON value, for files whose keys are looked at before they become a type.
enum JSONTree: Codable, Equatable {
  case null
  case bool(Bool)
  /// Whole numbers apart from others, so that none loses digits.
  case integer(Int)
  case unsigned(UInt64)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(UInt64.self) {
      self = .unsigned(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONTree].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONTree].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .unsigned(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let values): try container.encode(values)
    case .object(let values): try container.encode(values)
    }
  }

  /// This tree with the values of `other` in place of its own; keys that only one of them has are kept.
  func overlaid(with other: JSONTree) -> JSONTree {
    guard case .object(let mine) = self, case .object(let theirs) = other else { return other }
    return .object(mine.merging(theirs) { $0.overlaid(with: $1) })
  }

  /// The first key path, in alphabetical order, that has a value here and none in `other`.
  func firstKey(missingIn other: JSONTree) -> String? {
    guard case .object(let mine) = self, case .object(let theirs) = other else { return nil }
    for (key, value) in mine.sorted(by: { $0.key < $1.key }) where value != .null {
      guard let counterpart = theirs[key] else { return key }
      if let inner = value.firstKey(missingIn: counterpart) { return "\(key).\(inner)" }
    }
    return nil
  }
}
