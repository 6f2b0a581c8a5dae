import Files
import Foundation

/// Writes a safetensors file of F32 arrays, piece by piece in the announced order, so that memory stays bounded.
///
/// Writes straight to `path` and syncs it; whoever needs an atomic replacement renames afterwards.
public final class SafetensorsWriter {
  public let path: String
  private let descriptor: Int32
  private var left: Int

  /// - Parameters:
  ///   - tensors: names and shapes, in the order in which their values will be written.
  ///   - metadata: strings for the header.
  public init(_ path: String, tensors: [(name: String, shape: [Int])], metadata: [String: String] = [:]) throws {
    self.path = path
    var fields: [String] = []
    if !metadata.isEmpty { fields.append("\"__metadata__\":" + Self.json(metadata)) }
    var offset = 0
    for (name, shape) in tensors {
      let end = offset + 4 * shape.reduce(1, *)
      let extents = shape.map(String.init).joined(separator: ",")
      fields.append("\(Self.json(name)):{\"dtype\":\"F32\",\"shape\":[\(extents)],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var header = Array(("{" + fields.joined(separator: ",") + "}").utf8)
    // The arrays start at a multiple of 8; the padding is spaces, which JSON ignores.
    header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    left = offset
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw FileError(path, "cannot be created") }
    var length = UInt64(header.count).littleEndian
    do {
      try withUnsafeBytes(of: &length) { try writeAll($0, to: descriptor, path) }
      try header.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Appends values; together they must make up the announced tensors.
  public func write(_ values: UnsafeBufferPointer<Float>) throws {
    left -= 4 * values.count
    precondition(left >= 0, "more values than announced for \(path)")
    try writeAll(UnsafeRawBufferPointer(values), to: descriptor, path)
  }

  /// Forces everything to disk.
  public func finish() throws {
    precondition(left == 0, "\(left) announced bytes were never written to \(path)")
    guard fsync(descriptor) == 0 else {
      throw FileError(path, "cannot be forced to disk")
    }
  }

  private static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings and maps of strings always encode.
    return String(decoding: try! encoder.encode(value), as: UTF8.self)
  }
}
