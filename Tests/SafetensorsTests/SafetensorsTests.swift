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
