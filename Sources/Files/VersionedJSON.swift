import Errors
import Foundation

/// Small JSON files that later versions of the project read back: the shape of a model, the state of a checkpoint.
///
/// A file carries the version of its format. What it lacks takes a default, so that files from before a key existed stay readable;
/// what this version does not know is refused by name, because ignoring it could change what the rest means.
package enum VersionedJSON {
  private static let versionKey = "formatVersion"

  /// Writes `value`, whole or not at all.
  ///
  /// - Parameters:
  ///   - value: encodes as a JSON object.
  ///   - version: of the format; goes up when a key gets another meaning.
  /// - Throws: `DalleError` of a file that cannot be written.
  package static func write(_ value: some Encodable, to path: String, version: Int) throws {
    try replaceFile(path, with: data(value, version: version))
  }

  /// The contents of such a file.
  package static func data(_ value: some Encodable, version: Int) throws -> Data {
    guard case .object(var keys) = try tree(of: value) else { preconditionFailure("not a JSON object: \(value)") }
    precondition(keys[versionKey] == nil, "`\(versionKey)` is taken by the format")
    keys[versionKey] = .integer(version)
    return try JSON.pretty(JSONTree.object(keys))
  }

  /// Reads a file that `write` made.
  ///
  /// - Parameters:
  ///   - version: the newest version of the format that the caller understands; a file without one is of version 1.
  ///   - defaults: values for keys that the file lacks: a whole `Value`, or anything that encodes some of its keys. Dictionaries
  ///     are merged key by key like everything else, so theirs is usually empty.
  /// - Throws: `DalleError` with the file and the key, for a newer version, an unknown key, a missing key without a default, a
  ///   value of the wrong type, and a file that is not JSON.
  package static func read<Value: Codable>(
    _: Value.Type, from path: String, version: Int, defaults: some Encodable
  ) throws -> Value {
    let bytes = try readFile(path)
    guard case .object(var given)? = try? JSONDecoder().decode(JSONTree.self, from: bytes) else {
      throw DalleError(.data, "\(path): not a JSON object; the file is damaged: put back a copy, or make it again")
    }
    switch given.removeValue(forKey: versionKey) ?? .integer(1) {
    case .integer(1...version): break
    case .integer(let other):
      throw DalleError(
        .data,
        "\(path): `\(versionKey)` is \(other), and this program reads versions 1 to \(version); use the program that wrote the file"
      )
    default:
      throw DalleError(.data, "\(path): `\(versionKey)` is not a whole number; put back a copy of the file, or make it again")
    }
    let merged = try tree(of: defaults).overlaid(with: .object(given))
    let value: Value
    do {
      value = try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(merged))
    } catch let error as DecodingError {
      throw DalleError(.data, "\(path): \(description(of: error)); put back a copy of the file, or make it again")
    }
    // A key that a value does not give back was not read.
    if let key = try JSONTree.object(given).firstKey(missingIn: tree(of: value)) {
      throw DalleError(
        .data, "\(path): unknown key `\(key)`; another version of this program wrote the file: use that version")
    }
    return value
  }

  private static func tree(of value: some Encodable) throws -> JSONTree {
    try JSONDecoder().decode(JSONTree.self, from: JSONEncoder().encode(value))
  }

  private static func description(of error: DecodingError) -> String {
    func name(_ path: [any CodingKey]) -> String { "`\(path.map(\.stringValue).joined(separator: "."))`" }
    switch error {
    case .keyNotFound(let key, let context): return "\(name(context.codingPath + [key])) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return "\(name(context.codingPath)) has a value that it cannot have (\(context.debugDescription))"
    @unknown default: return "\(error)"
    }
  }
}
