import Errors
import Files
import Foundation

/// Names of the files that hold a set of tensors, as Hugging Face's libraries write and read them: `NAME.safetensors`; or, where one
/// file would be too large, `NAME-00001-of-00003.safetensors` and so on, with an index `NAME.safetensors.index.json`.
enum ShardedSafetensors {
  static func single(_ name: String) -> String { "\(name).safetensors" }
  static func index(_ name: String) -> String { "\(name).safetensors.index.json" }
  static func shard(_ name: String, _ number: Int, of count: Int) -> String {
    "\(name)-\(zeroPadded(number + 1, digits: 5))-of-\(zeroPadded(count, digits: 5)).safetensors"
  }

  /// The index: which file has which tensor.
  struct Index: Codable {
    struct Metadata: Codable {
      var totalSize: Int
      private enum CodingKeys: String, CodingKey { case totalSize = "total_size" }
    }
    var metadata: Metadata
    var weightMap: [String: String]
    private enum CodingKeys: String, CodingKey {
      case metadata
      case weightMap = "weight_map"
    }
  }
}

/// Writes tensors in the announced order into one file, or into several of bounded size, with memory for none of them.
package final class ShardedSafetensorsWriter {
  package typealias Tensor = (name: String, shape: [Int], type: TensorType)

  /// Names of the files in the folder, the index among them.
  package let files: [String]
  private let folder: String
  private let name: String
  private let metadata: [String: String]
  /// Tensors of each shard.
  private let shards: [[Tensor]]
  private var next = 0
  private var writer: SafetensorsWriter?

  /// Bytes of a file from which on Hugging Face's libraries begin another.
  package static let usualLimit = 5_000_000_000

  /// - Parameters:
  ///   - name: of the set; see `ShardedSafetensors`.
  ///   - tensors: names, shapes and types, in the order in which their values will be written.
  ///   - limit: bytes of a file at most, except where one tensor has more.
  package init(folder: String, name: String, tensors: [Tensor], metadata: [String: String] = [:], limit: Int = usualLimit) throws {
    (self.folder, self.name, self.metadata) = (folder, name, metadata)
    var shards: [[Tensor]] = [[]]
    var byteCount = 0
    for tensor in tensors {
      let size = Self.byteCount(tensor)
      if byteCount + size > limit, !shards[shards.count - 1].isEmpty {
        shards.append([])
        byteCount = 0
      }
      shards[shards.count - 1].append(tensor)
      byteCount += size
    }
    self.shards = shards
    let names = Self.names(name, shards.count)
    files = names + (shards.count > 1 ? [ShardedSafetensors.index(name)] : [])
    try open()
  }

  private static func byteCount(_ tensor: Tensor) -> Int { tensor.type.size * tensor.shape.reduce(1, *) }

  private static func names(_ name: String, _ count: Int) -> [String] {
    count == 1 ? [ShardedSafetensors.single(name)] : (0..<count).map { ShardedSafetensors.shard(name, $0, of: count) }
  }

  private func open() throws {
    writer = try SafetensorsWriter("\(folder)/\(files[next])", tensors: shards[next], metadata: metadata)
    next += 1
  }

  /// Appends values of the tensor that is next; a call must not go beyond its end.
  package func write<Element: TensorElement>(_ values: UnsafeBufferPointer<Element>) throws {
    if let writer, writer.isComplete, next < shards.count, !values.isEmpty {
      try writer.finish()
      try open()
    }
    try writer?.write(values)
  }

  /// Forces everything to disk.
  package func finish() throws {
    try writer?.finish()
    guard shards.count > 1 else { return }
    var index = ShardedSafetensors.Index(metadata: .init(totalSize: 0), weightMap: [:])
    for (file, tensors) in zip(files, shards) {
      for tensor in tensors {
        index.metadata.totalSize += Self.byteCount(tensor)
        index.weightMap[tensor.name] = file
      }
    }
    try replaceFile("\(folder)/\(ShardedSafetensors.index(name))", with: JSON.pretty(index))
  }
}

/// Reads what `ShardedSafetensorsWriter`, or Hugging Face's libraries, have written.
package struct ShardedSafetensorsReader {
  /// The file, or the index.
  package let path: String
  private let readers: [String: SafetensorsReader]

  /// - Throws: `DalleError` if there is neither file nor index, or one of them is damaged.
  package init(folder: String, name: String) throws {
    let index = "\(folder)/\(ShardedSafetensors.index(name))"
    guard FileManager.default.fileExists(atPath: index) else {
      path = "\(folder)/\(ShardedSafetensors.single(name))"
      let reader = try SafetensorsReader(path)
      readers = reader.tensors.mapValues { _ in reader }
      return
    }
    path = index
    guard let map = try? JSONDecoder().decode(ShardedSafetensors.Index.self, from: readFile(index)).weightMap else {
      throw DalleError(.data, "\(index): no index of safetensors files; it is damaged: restore it")
    }
    var files: [String: SafetensorsReader] = [:]
    for file in Set(map.values) {
      guard !file.contains("/") else {
        throw DalleError(.data, "\(index): names the file `\(file)` outside its folder; restore it")
      }
      files[file] = try SafetensorsReader("\(folder)/\(file)")
    }
    for (tensor, file) in map where files[file]!.tensors[tensor] == nil {
      throw DalleError(.data, "\(folder)/\(file): lacks the tensor `\(tensor)` that \(index) promises; restore both from one copy")
    }
    readers = map.mapValues { files[$0]! }
  }

  package var names: some Collection<String> { readers.keys }

  package func info(_ name: String) -> TensorInfo? { readers[name]?.tensors[name] }

  /// Reads values of a tensor into `target`: `target.count` of them, from element `start`. The shape must be `shape`.
  package func read<Element: TensorElement>(
    _ name: String, shape: [Int], from start: Int = 0, into target: UnsafeMutableBufferPointer<Element>
  ) throws {
    guard let reader = readers[name] else {
      throw DalleError(.data, "\(path): has no tensor `\(name)`; name a file of the model that is expected here")
    }
    try reader.read(name, shape: shape, from: start, into: target)
  }
}
