import Errors
import Foundation
import Kernels
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
}
