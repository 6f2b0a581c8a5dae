import Errors
import Files
import Foundation

/// Where a stage's product came from: a JSON file in the run's folder `products`.
struct ProductManifest: Codable, Equatable {
  static let currentVersion = 1

  var version = ProductManifest.currentVersion
  var stage: String
  /// Fingerprints of the inputs by name.
  var inputs: [String: String]
  /// Training steps in the product.
  var work: Int
  /// SHA-256 of the product; nil while the stage is under way.
  var product: String?
  /// It was copied into the run from elsewhere.
  var isGiven = false

  /// Nil if there is none.
  /// - Throws: `DalleError` for a damaged manifest, and for one of another version.
  static func read(_ path: String) throws -> ProductManifest? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    struct Version: Decodable { var version: Int }
    let data = try readFile(path)
    let version = try? JSONDecoder().decode(Version.self, from: data).version
    if let version, version != currentVersion {
      throw DalleError(
        .data, "\(path): has format version \(version), this program reads version \(currentVersion); use another --run")
    }
    guard let manifest = try? JSONDecoder().decode(Self.self, from: data) else {
      throw DalleError(.data, "\(path): cannot be parsed; remove it to keep the stage's product as one given from elsewhere")
    }
    return manifest
  }

  func write(_ path: String) throws {
    try replaceFile(path, with: JSON.pretty(self))
  }
}
