import Foundation
import Kernels
import Layers
import Memory
import Safetensors

@testable import Models

/// A file of golden values that Tests/Goldens/dvae.py wrote.
struct DVAEGolden {
  struct Facts: Decodable {
    let samples: Int
    let temperature: Float
    let klWeight: Float
    let reconstruction: Double
    let kl: Double
    let hardReconstruction: Double
    let squaredError: Double
  }

  let config: DVAEConfig
  let facts: Facts
  private let file: SafetensorsReader

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Goldens")
    file = try SafetensorsReader(folder.appendingPathComponent("\(name).safetensors").path)
    config = try JSONDecoder().decode(DVAEConfig.self, from: Data(file.metadata["config"]!.utf8))
    facts = try JSONDecoder().decode(Facts.self, from: Data(file.metadata["facts"]!.utf8))
  }

  /// The array `name`, which must have this type. The file was written for these tests, so that it cannot be wrong.
  func array<Element: TensorElement>(_ name: String, _ type: Element.Type) -> [Element] { try! file.values(name, as: type) }

  func floats(_ name: String) -> [Float] { array(name, Float.self) }
  var pixels: [UInt8] { array("pixels", UInt8.self) }
  var codes: [UInt16] { array("codes", UInt16.self) }

  /// The names of the parameters: those that have a gradient.
  var parameterNames: Set<String> {
    Set(file.tensors.keys.filter { $0.hasPrefix("gradient.") }.map { String($0.dropFirst("gradient.".count)) })
  }

  func shape(_ name: String) -> [Int] { file.tensors[name]!.shape }

  /// The file's weights.
  func parameters(_ table: ParameterTable, _ precision: Precision = .fp32) -> LocalParameters {
    let source = LocalParameters(table, precision: precision)
    for parameter in table.parameters {
      source.weights(of: parameter.block)[parameter].copy(from: floats(parameter.name))
    }
    source.refreshComputeCopy()
    return source
  }
}
