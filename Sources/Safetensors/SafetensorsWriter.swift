import Errors
import Files
import Foundation

/// Writes a safetensors file of arrays, piece by piece in the announced order, so that memory stays bounded.
///
/// Writes straight to `path` and syncs it; whoever needs an atomic replacement renames afterwards.
package final class SafetensorsWriter {
  package let path: String
  private let descriptor: Int32
  /// What is still to be written, the next tensor last.
  private var announced: [(type: TensorType, byteCount: Int)]

  /// - Parameters:
  ///   - tensors: names, shapes and types, in the order in which their values will be written.
  ///   - metadata: strings for the header.
  package init(
    _ path: String, tensors: [(name: String, shape: [Int], type: TensorType)], metadata: [String: String] = [:]
  ) throws {
    self.path = path
    var fields: [String] = []
    if !metadata.isEmpty { fields.append("\"__metadata__\":" + Self.json(metadata)) }
    announced = []
    var offset = 0
    for (name, shape, type) in tensors {
      let end = offset + type.size * shape.reduce(1, *)
      let extents = shape.map(String.init).joined(separator: ",")
      fields.append(
        "\(Self.json(name)):{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(extents)],\"data_offsets\":[\(offset),\(end)]}")
      announced.append((type, end - offset))
      offset = end
    }
    announced.reverse()
    var header = Array(("{" + fields.joined(separator: ",") + "}").utf8)
    // The arrays start at a multiple of 8; the padding is spaces, which JSON ignores.
    header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
    var length = UInt64(header.count).littleEndian
    // Where this fails, the deinitializer closes the file.
    try withUnsafeBytes(of: &length) { try writeAll($0, to: descriptor, path) }
    try header.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
  }

  deinit { close(descriptor) }

  /// Appends values, which may end one tensor and begin the next; together they must make up the announced tensors.
  package func write<Element: TensorElement>(_ values: UnsafeBufferPointer<Element>) throws {
    var byteCount = Element.tensorType.size * values.count
    while byteCount > 0 {
      guard let next = announced.last else { preconditionFailure("more values than announced for \(path)") }
      precondition(
        next.byteCount == 0 || next.type == Element.tensorType, "\(Element.self) for a tensor of \(next.type) in \(path)")
      let part = min(byteCount, next.byteCount)
      byteCount -= part
      if part == next.byteCount { announced.removeLast() } else { announced[announced.count - 1].byteCount -= part }
    }
    try writeAll(UnsafeRawBufferPointer(values), to: descriptor, path)
  }

  /// Whether all that was announced is written.
  var isComplete: Bool { announced.allSatisfy { $0.byteCount == 0 } }

  /// Forces everything to disk.
  package func finish() throws {
    let left = announced.reduce(0) { $0 + $1.byteCount }
    precondition(left == 0, "\(left) announced bytes were never written to \(path)")
    try synchronize(descriptor, path)
  }

  /// Strings and maps of strings, which always encode.
  private static func json(_ value: some Encodable) -> String { String(decoding: try! JSON.line(value), as: UTF8.self) }
}
