import Foundation
import Memory
import Safetensors
import Testing

private func temporaryFile() -> String {
  NSTemporaryDirectory() + "safetensors-\(UUID().uuidString)"
}

private func write(_ path: String) throws {
  let writer = try SafetensorsWriter(
    path, tensors: [("a.weight", [2, 3], .f32), ("odd \"name\"", [1], .f32), ("empty", [0, 4], .f32)], metadata: ["step": "7"])
  for values: [Float] in [[1, 2, 3, 4], [5, 6, 7]] { try values.withUnsafeBufferPointer(writer.write) }
  try writer.finish()
}

@Test func whatIsWrittenIsReadBack() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  try write(path)
  let reader = try SafetensorsReader(path)
  #expect(reader.metadata == ["step": "7"])
  #expect(reader.tensors.keys.sorted() == ["a.weight", "empty", "odd \"name\""])
  #expect(reader.tensors["a.weight"]?.shape == [2, 3])
  #expect(try reader.values("a.weight", as: Float.self) == [1, 2, 3, 4, 5, 6])
  #expect(try reader.values("odd \"name\"", as: Float.self) == [7])
  var part = [Float](repeating: 0, count: 2)
  try part.withUnsafeMutableBufferPointer { try reader.read("a.weight", shape: [2, 3], from: 3, into: $0) }
  #expect(part == [4, 5])
}

/// Every cut and every flipped header byte gives an error that names the file, or a file that still reads; never a crash.
@Test func damageIsRefusedByName() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  try write(path)
  let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
  for cut in 0..<bytes.count {
    try bytes.prefix(cut).write(to: URL(fileURLWithPath: path))
    #expect { try SafetensorsReader(path) } throws: { "\($0)".contains(path) }
  }
  for index in 0..<min(bytes.count, 400) {
    var damaged = bytes
    damaged[index] ^= 0x15
    try damaged.write(to: URL(fileURLWithPath: path))
    do {
      let reader = try SafetensorsReader(path)
      for name in reader.tensors.keys { _ = try? reader.values(name, as: Float.self) }
    } catch {
      #expect("\(error)".contains(path))
    }
  }
}

/// Bytes that belong to no tensor, behind the last or between two, are damage: the format has none.
@Test func bytesOfNoTensorAreRefused() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  try write(path)
  let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
  try (bytes + [0]).write(to: URL(fileURLWithPath: path))
  #expect { try SafetensorsReader(path) } throws: {
    "\($0)".contains("\(path): its tensors have 28 bytes, but 29 bytes follow the header")
  }

  let header = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#
  let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
  try (length + Data(header.utf8) + Data(count: 12)).write(to: URL(fileURLWithPath: path))
  #expect { try SafetensorsReader(path) } throws: { "\($0)".contains("its tensors have 8 bytes, but 12 bytes follow the header") }
}

/// A header that cannot be written is an error that names the file.
@Test func aFullDiskIsNamed() {
  #expect { try SafetensorsWriter("/dev/full", tensors: []) } throws: {
    "\($0)".contains("/dev/full: cannot be written: No space left on device")
  }
}

/// A tensor without values lies where the next one begins, and does not overlap it.
@Test func emptyTensorsAnywhere() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  let tensors = (0..<40).map { (name: "tensor \($0)", shape: [$0 % 2, 3], type: TensorType.f32) }
  let writer = try SafetensorsWriter(path, tensors: tensors)
  let values = (0..<60).map(Float.init)
  try values.withUnsafeBufferPointer(writer.write)
  try writer.finish()
  let reader = try SafetensorsReader(path)
  #expect(try tensors.flatMap { try reader.values($0.name, as: Float.self) } == values)
}

@Test func wrongShapesAndNamesAreRefused() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  try write(path)
  let reader = try SafetensorsReader(path)
  #expect { try reader.values("b", as: Float.self) } throws: { "\($0)".contains("no tensor `b`") }
  #expect {
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: 6) { try reader.read("a.weight", shape: [3, 2], into: $0) }
  } throws: { "\($0)".contains("[2, 3]") }
  #expect { try SafetensorsReader(path + ".missing") } throws: { "\($0)".contains("No such file") }
}

/// The upper halves of floats, and integers, beside floats in one file.
@Test func typesBesideEachOther() throws {
  let path = temporaryFile()
  defer { try? FileManager.default.removeItem(atPath: path) }
  let halves = [Float(1), -0.5, 3.1415].map { BFloat16($0) }
  let writer = try SafetensorsWriter(
    path, tensors: [("halves", [3], .bf16), ("codes", [1, 2], .u16), ("nothing", [0], .u8), ("floats", [2], .f32)])
  try halves.withUnsafeBufferPointer(writer.write)
  try [UInt16(8191), 7].withUnsafeBufferPointer(writer.write)
  try [Float.pi, -1].withUnsafeBufferPointer(writer.write)
  try writer.finish()
  let reader = try SafetensorsReader(path)
  #expect(reader.tensors["halves"]?.type == .bf16)
  #expect(try reader.values("halves", as: BFloat16.self) == halves)
  #expect(try reader.values("codes", as: UInt16.self) == [8191, 7])
  #expect(try reader.values("floats", as: Float.self) == [.pi, -1])
  #expect { try reader.values("halves", as: Float.self) } throws: { "\($0)".contains("is BF16, expected F32") }
}

/// Tensors of 8, 4,000, 0, 12 and 16 bytes in files of at most 24: the large one is alone in its own.
@Test(arguments: [24, 5_000_000_000]) func setsOfTensorsAreReadBackWhateverTheirFiles(limit: Int) throws {
  let folder = temporaryFile()
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  let shapes: [(name: String, shape: [Int])] = [("a", [2]), ("b", [10, 100]), ("empty", [0, 3]), ("c", [3]), ("d", [2, 2])]
  func values(_ index: Int) -> [Float] { (0..<shapes[index].shape.reduce(1, *)).map { Float(1000 * index + $0) } }
  let writer = try ShardedSafetensorsWriter(
    folder: folder, name: "model", tensors: shapes.map { ($0.name, $0.shape, .f32) }, metadata: ["step": "7"], limit: limit)
  for index in shapes.indices { try values(index).withUnsafeBufferPointer(writer.write) }
  try writer.finish()
  let files = try FileManager.default.contentsOfDirectory(atPath: folder)
  #expect(Set(files) == Set(writer.files))
  #expect(files.count == (limit == 24 ? 5 : 1))

  let reader = try ShardedSafetensorsReader(folder: folder, name: "model")
  #expect(reader.names.sorted() == ["a", "b", "c", "d", "empty"])
  for (index, tensor) in shapes.enumerated() {
    var read = [Float](repeating: -1, count: tensor.shape.reduce(1, *))
    try read.withUnsafeMutableBufferPointer { try reader.read(tensor.name, shape: tensor.shape, into: $0) }
    #expect(read == values(index), "\(tensor.name)")
  }
  if limit == 24 {
    let index = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: "\(folder)/model.safetensors.index.json")))
    let map = try #require((index as? [String: Any])?["weight_map"] as? [String: String])
    #expect(map["b"] == "model-00002-of-00004.safetensors")
    // A file that the index names, and that is gone or holds other tensors, is named.
    try FileManager.default.removeItem(atPath: "\(folder)/model-00003-of-00004.safetensors")
    #expect { try ShardedSafetensorsReader(folder: folder, name: "model") } throws: {
      "\($0)".contains("model-00003-of-00004.safetensors")
    }
    try FileManager.default.copyItem(
      atPath: "\(folder)/model-00001-of-00004.safetensors", toPath: "\(folder)/model-00003-of-00004.safetensors")
    #expect { try ShardedSafetensorsReader(folder: folder, name: "model") } throws: { "\($0)".contains("lacks the tensor") }
  }
}
