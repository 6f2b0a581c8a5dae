import Errors
import Files
import Foundation
import Hashing

/// What a complete checkpoint consists of: written last, checked before anything is read.
struct Manifest: Codable {
  struct File: Codable {
    var bytes: Int
    var sha256: String
  }
  var version = 1
  var files: [String: File] = [:]

  static let name = "MANIFEST.json"

  /// Describes files that lie in `folder`.
  init(_ names: [String], in folder: String) throws {
    for name in names {
      let path = folder + "/" + name
      guard let hash = SHA256.hex(ofFile: path) else { throw DalleError.file(path, "cannot be read back") }
      files[name] = File(bytes: try fileSize(path), sha256: hash)
    }
  }

  /// Reads the manifest of a checkpoint and checks every file against it.
  static func verified(in folder: String) throws -> Manifest {
    let path = folder + "/" + name
    guard let data = FileManager.default.contents(atPath: path),
      let manifest = try? JSONDecoder().decode(Manifest.self, from: data)
    else { throw DalleError(.data, "\(path): is not a readable manifest; delete \(folder) to resume from an older checkpoint") }
    guard manifest.version == 1 else {
      throw DalleError(
        .data,
        "\(path): has format version \(manifest.version); this program reads version 1: resume with the version that wrote it")
    }
    for (file, expected) in manifest.files.sorted(by: { $0.key < $1.key }) {
      let path = folder + "/" + file
      let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int
      guard size == expected.bytes, SHA256.hex(ofFile: path) == expected.sha256 else {
        let found = size.map { $0 == expected.bytes ? "other contents" : "\($0) bytes" } ?? "no file"
        throw DalleError(
          .data,
          "\(path): damaged (\(found), expected \(expected.bytes) bytes with SHA-256 \(expected.sha256.prefix(12))); "
            + "delete \(folder) to resume from an older checkpoint")
      }
    }
    return manifest
  }
}
