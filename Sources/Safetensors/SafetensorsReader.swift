import Errors
import Files
import Foundation

/// Number formats of the safetensors format that this project meets.
package enum TensorType: String, Sendable, Codable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"

  package var size: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

/// Where a tensor lies in a file.
package struct TensorInfo: Sendable, Equatable {
  package let type: TensorType
  package let shape: [Int]
  /// Bytes of the tensor, counted from the start of the file.
  package let range: Range<Int>
  package var count: Int { shape.reduce(1, *) }
}

/// Reads a safetensors file: an 8-byte length, a JSON header, then the arrays. The header is checked whole when the file is
/// opened; arrays are read on demand, without a copy of the file.
package final class SafetensorsReader {
  package let path: String
  package let tensors: [String: TensorInfo]
  package let metadata: [String: String]
  private let descriptor: Int32
  /// A header larger than this is taken for damage, as the reference implementation does.
  static let largestHeader = 100_000_000

  package init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    do {
      (tensors, metadata) = try Self.header(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  private static func header(_ descriptor: Int32, _ path: String) throws -> ([String: TensorInfo], [String: String]) {
    let fileSize = Int(lseek(descriptor, 0, SEEK_END))
    guard fileSize >= 8 else {
      throw damage(path, "has \(fileSize) bytes, too few for a safetensors file")
    }
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) { try read(descriptor, path, at: 0, into: $0) }
    length = UInt64(littleEndian: length)
    guard length <= UInt64(min(largestHeader, fileSize - 8)) else {
      throw damage(path, "its header claims \(length) bytes in a file of \(fileSize)")
    }
    var bytes = [UInt8](repeating: 0, count: Int(length))
    try bytes.withUnsafeMutableBytes { try read(descriptor, path, at: 8, into: $0) }
    guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
      throw damage(path, "its header is not a JSON object")
    }
    let start = 8 + Int(length)
    var tensors: [String: TensorInfo] = [:]
    var metadata: [String: String] = [:]
    for (name, value) in object {
      if name == "__metadata__" {
        guard let map = value as? [String: String] else { throw damage(path, "its metadata are not strings") }
        metadata = map
        continue
      }
      tensors[name] = try info(name, value, start: start, fileSize: fileSize, path)
    }
    // A tensor without values lies before the one that begins at the same byte.
    let ordered = tensors.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound) < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }
    for (one, next) in zip(ordered, ordered.dropFirst()) where one.value.range.upperBound > next.value.range.lowerBound {
      throw damage(path, "tensors `\(one.key)` and `\(next.key)` overlap")
    }
    // The format has no bytes that belong to no tensor.
    let covered = ordered.reduce(0) { $0 + $1.value.range.count }
    guard covered == fileSize - start else {
      throw damage(path, "its tensors have \(covered) bytes, but \(fileSize - start) bytes follow the header")
    }
    return (tensors, metadata)
  }

  private static func info(_ name: String, _ value: Any, start: Int, fileSize: Int, _ path: String) throws -> TensorInfo {
    guard let fields = value as? [String: Any], let dtype = fields["dtype"] as? String,
      let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int], offsets.count == 2
    else { throw damage(path, "tensor `\(name)` has no dtype, shape and data_offsets") }
    guard let type = TensorType(rawValue: dtype) else {
      throw damage(path, "tensor `\(name)` has the unknown dtype `\(dtype)`")
    }
    var bytes = type.size
    for extent in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { throw damage(path, "tensor `\(name)` has the impossible shape \(shape)") }
      bytes = product
    }
    guard offsets[0] >= 0, offsets[1] >= offsets[0], offsets[1] <= fileSize - start else {
      throw damage(path, "tensor `\(name)` lies at \(offsets), outside the file's \(fileSize - start) data bytes")
    }
    guard offsets[1] - offsets[0] == bytes else {
      throw damage(
        path, "tensor `\(name)` of shape \(shape) and dtype \(dtype) needs \(bytes) bytes but has \(offsets[1] - offsets[0])")
    }
    return TensorInfo(type: type, shape: shape, range: start + offsets[0]..<start + offsets[1])
  }

  private static func read(_ descriptor: Int32, _ path: String, at offset: Int, into target: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < target.count {
      let count = pread(descriptor, target.baseAddress! + done, target.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw DalleError.file(path, "cannot be read") }
      guard count > 0 else { throw damage(path, "ends at byte \(offset + done), before its last tensor") }
      done += count
    }
  }

  private static func damage(_ path: String, _ problem: String) -> DalleError {
    DalleError(.data, "\(path): \(problem); it is damaged or no safetensors file: restore it, or name another")
  }

  private func info(_ name: String, type: TensorType) throws -> TensorInfo {
    guard let info = tensors[name] else {
      throw DalleError(.data, "\(path): has no tensor `\(name)`; name a file of the model that is expected here")
    }
    guard info.type == type else {
      throw DalleError(
        .data, "\(path): tensor `\(name)` is \(info.type.rawValue), expected \(type.rawValue); convert it to \(type.rawValue)")
    }
    return info
  }

  /// Reads values of a tensor into `target`: `target.count` of them, from element `start`. The shape must be `shape`.
  package func read<Element: TensorElement>(
    _ name: String, shape: [Int], from start: Int = 0, into target: UnsafeMutableBufferPointer<Element>
  ) throws {
    let info = try info(name, type: Element.tensorType)
    guard info.shape == shape else {
      throw DalleError(
        .data,
        "\(path): tensor `\(name)` has shape \(info.shape), expected \(shape); name a file of a model with the same configuration")
    }
    precondition(start >= 0 && start + target.count <= info.count, "values beyond the end of `\(name)`")
    try Self.read(
      descriptor, path, at: info.range.lowerBound + info.type.size * start, into: UnsafeMutableRawBufferPointer(target))
  }

  /// A whole tensor.
  package func values<Element: TensorElement>(_ name: String, as type: Element.Type) throws -> [Element] {
    let info = try info(name, type: Element.tensorType)
    return try [Element](unsafeUninitializedCapacity: info.count) { values, count in
      try Self.read(
        descriptor, path, at: info.range.lowerBound,
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(values)[..<(info.range.count)]))
      count = info.count
    }
  }
}
