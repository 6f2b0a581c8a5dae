import Errors
import Files
import Foundation
import Kernels
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

  private final class Warnings: Sendable { let all = Mutex<[String]>([]) }
}
