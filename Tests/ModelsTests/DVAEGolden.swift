import Foundation
import Kernels
import Layers
import Memory

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
  private struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let offsets: [Int]

    private enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }
  }

  let config: DVAEConfig
  let facts: Facts
  private var entries: [String: Entry] = [:]
  private let bytes: [UInt8]

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Goldens")
    let data = try Data(contentsOf: folder.appendingPathComponent("\(name).safetensors"))
    let headerCount = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let header = data.subdata(in: 8..<8 + headerCount)
    bytes = Array(data[(8 + headerCount)...])
    let object = try JSONSerialization.jsonObject(with: header) as! [String: Any]
    let metadata = object["__metadata__"] as! [String: String]
    config = try JSONDecoder().decode(DVAEConfig.self, from: Data(metadata["config"]!.utf8))
    facts = try JSONDecoder().decode(Facts.self, from: Data(metadata["facts"]!.utf8))
    for (key, value) in object where key != "__metadata__" {
      entries[key] = try JSONDecoder().decode(Entry.self, from: JSONSerialization.data(withJSONObject: value))
    }
  }

  /// The array `name`, which must have the type that its safetensors name says.
  func array<Element: BitwiseCopyable>(_ name: String, _ dtype: String) -> [Element] {
    let entry = entries[name]!
    precondition(entry.dtype == dtype, "\(name) is \(entry.dtype), not \(dtype)")
    return bytes[entry.offsets[0]..<entry.offsets[1]].withUnsafeBytes { raw in
      (0..<raw.count / MemoryLayout<Element>.size).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
      }
    }
  }

  func floats(_ name: String) -> [Float] { array(name, "F32") }
  var pixels: [UInt8] { array("pixels", "U8") }
  var codes: [UInt16] { array("codes", "U16") }

  /// The names of the parameters: those that have a gradient.
  var parameterNames: Set<String> {
    Set(entries.keys.filter { $0.hasPrefix("gradient.") }.map { String($0.dropFirst("gradient.".count)) })
  }

  func shape(_ name: String) -> [Int] { entries[name]!.shape }

  /// The file's weights.
  func parameters(_ table: ParameterTable, _ precision: Precision = .fp32) -> LocalParameters {
    let source = LocalParameters(table, precision: precision)
    for parameter in table.parameters {
      source.weights(of: parameter.block)[parameter].copy(from: floats(parameter.name))
    }
    source.roundWeights()
    return source
  }
}
