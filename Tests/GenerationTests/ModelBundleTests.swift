import Errors
import Files
import Foundation
import Hashing
import Kernels
import Layers
import Memory
import Models
import Safetensors
import Synchronization
import Testing

@testable import Generation

@Suite struct ModelBundleTests {
  @Test func anImpossibleShapeNamesItsFile() throws {
    let folder = NSTemporaryDirectory() + "bundle-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = "\(folder)/\(ModelBundle.File.dvae)"
    try Data(#"{"formatVersion": 1, "imageSize": 5}"#.utf8).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: DalleError.self) { try ModelBundle.dvae(in: folder, .fp32) }
    #expect(
      error?.kind == .data && error!.description.hasPrefix("\(path): the dVAE's imageSize is 5"), "\(String(describing: error))")
  }

  /// Weights from elsewhere, or of an earlier version, are used beside any dVAE: that is said once, with the parts that are not checked.
  @Test func weightsThatDoNotNameTheirPartsAreRemarked() throws {
    let folder = NSTemporaryDirectory() + "bundle-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = "\(folder)/\(ModelBundle.File.transformerWeights)"
    let writer = try SafetensorsWriter(path, tensors: [("a", [1], .f32)])
    try [1 as Float].withUnsafeBufferPointer(writer.write)
    try writer.finish()
    let warnings = Warnings()
    FileWarnings.show { text in warnings.all.withLock { $0.append(text) } }
    for _ in 0..<2 { try ModelBundle.checkOrigins(in: folder) }
    let ours = warnings.all.withLock { $0.filter { $0.hasPrefix(path) } }
    #expect(ours.count == 1 && ours[0].contains("tokenizer.json and dvae.safetensors it was trained with"), "\(ours)")
  }

  /// A decoder takes the place of the dVAE's own as a whole or not at all, and only for the dVAE that it was made for.
  @Test func aDecoderIsTakenWholeOrRefused() throws {
    let folder = NSTemporaryDirectory() + "bundle-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var config = DVAEConfig()
    (config.imageSize, config.groups, config.blocksPerGroup, config.baseChannels) = (8, 2, 1, 4)
    (config.codebookDim, config.vocabulary) = (4, 16)
    try VersionedJSON.write(config, to: "\(folder)/\(ModelBundle.File.dvae)", version: ModelBundle.formatVersion)
    let architecture = DVAEArchitecture(config)
    func write(_ name: String, _ parameters: [Parameter], _ value: Float, _ metadata: [String: String]) throws {
      let tensors = parameters.map { (name: $0.name, shape: $0.shape, type: TensorType.f32) }
      let writer = try SafetensorsWriter("\(folder)/\(name)", tensors: tensors, metadata: metadata)
      for parameter in parameters { try [Float](repeating: value, count: parameter.count).withUnsafeBufferPointer(writer.write) }
      try writer.finish()
    }
    try write(ModelBundle.File.dvaeWeights, architecture.table.parameters, 1, [:])
    let origin = ["dVAE": SHA256.hex(ofFile: "\(folder)/\(ModelBundle.File.dvaeWeights)")!]
    let tunable = architecture.tunableParameters
    func load() throws -> LocalParameters { try ModelBundle.dvae(in: folder, .fp32).weights }
    func refusal() -> String { "\(#expect(throws: DalleError.self) { try load() }.map { "\($0)" } ?? "none")" }

    let path = "\(folder)/\(ModelBundle.File.decoderWeights)"
    try write(ModelBundle.File.decoderWeights, tunable, 2, origin)
    let weights = try load()
    let names = Set(tunable.map(\.name))
    for parameter in architecture.table.parameters {
      let expected: Float = names.contains(parameter.name) ? 2 : 1
      #expect(weights.weights(of: parameter.block)[parameter].array.allSatisfy { $0 == expected }, "\(parameter.name)")
    }
    #expect(!names.isEmpty && names.allSatisfy { $0.hasPrefix("decoder.") } && !names.contains("decoder.blocks.input.w"))

    try write(ModelBundle.File.decoderWeights, tunable.dropLast(), 2, origin)
    #expect(refusal().contains(path) && refusal().contains(tunable.last!.name))
    try write(ModelBundle.File.decoderWeights, architecture.table.parameters, 2, origin)
    #expect(refusal().hasPrefix("\(path): has the tensor `"))
    try write(ModelBundle.File.decoderWeights, tunable, .nan, origin)
    #expect(refusal().contains("infinite or NaN"))
    try write(ModelBundle.File.decoderWeights, tunable, 2, ["dVAE": "another"])
    #expect(refusal().hasPrefix("\(path): this decoder was fine-tuned for another dVAE"))
  }

  private final class Warnings: Sendable { let all = Mutex<[String]>([]) }
}
