import Errors
import Files
import Foundation
import Hashing

/// One part of a run: it makes a product from inputs, and is finished when the product exists and its manifest says that it was
/// made from these inputs. A run is a list of stages, in the order of their dependence.
///
/// Whatever the coordinator calls alone says so; it may look at files. `run` is called on every rank, which must not decide by
/// files, because a network file system may show each rank another state.
package protocol Stage {
  /// One word that no other stage of the run has, and nothing else in the run's folder: for `--stage`, the manifest, the stage's
  /// own folder and the logs.
  var name: String { get }
  /// How much work the product holds, in training steps: a product with less is resumed. 0 for stages without steps.
  var work: Int { get }
  /// What the product depends on. Called on the coordinator.
  func inputs(in folder: RunFolder) throws -> [StageInput]
  /// What the stage leaves. Called on the coordinator.
  func product(in folder: RunFolder) throws -> StageProduct
  /// Throws if a product that was copied into the run from elsewhere does not fit it. Called on the coordinator.
  func checkGiven(in folder: RunFolder) throws
  /// Makes the product, or resumes where an earlier call stopped. Collective.
  ///
  /// - Parameter inputs: the inputs' fingerprints by name.
  /// - Throws: `DalleError` of kind `stopped` if a stop was requested; the same call later then resumes.
  func run(in run: Run, inputs: [String: String]) throws
}

extension Stage {
  package var work: Int { 0 }
  package func checkGiven(in folder: RunFolder) throws {}
}

/// Something that a stage's product depends on.
package struct StageInput: Sendable {
  /// What messages and manifests call it: "tokenizer".
  package let name: String
  /// Its files; empty for a value.
  package let paths: [String]
  private let value: String?

  /// Files that an earlier stage made.
  package static func files(_ name: String, _ paths: [String]) -> StageInput { StageInput(name: name, paths: paths, value: nil) }

  /// Something that is no file of the run, such as the identity of its data.
  package static func value(_ name: String, _ value: String) -> StageInput { StageInput(name: name, paths: [], value: value) }

  /// Tells the input from others: SHA-256 of its files, or the value. Nil as long as a file is missing.
  func fingerprint() throws -> String? {
    if let value { return value }
    return paths.allSatisfy { FileManager.default.fileExists(atPath: $0) } ? try Training.fingerprint(ofFiles: paths) : nil
  }
}

/// What a stage leaves in the run's folder.
package struct StageProduct: Sendable {
  /// In the order in which they are written; the product is complete when all exist.
  package var files: [String]
  /// Those whose contents tell this product from another.
  package var identity: [String]
  /// Folders that hold nothing but what the stage keeps there (checkpoints, shards), removed when the stage begins anew.
  package var folders: [String]

  package init(files: [String], identity: [String], folders: [String] = []) {
    precondition(!files.isEmpty && !identity.isEmpty, "a product without files")
    (self.files, self.identity, self.folders) = (files, identity, folders)
  }

  var exists: Bool { files.allSatisfy { FileManager.default.fileExists(atPath: $0) } }
}

/// SHA-256 of a file; of several files, SHA-256 of theirs.
func fingerprint(ofFiles paths: [String]) throws -> String {
  let hashes = try paths.map { path in
    guard let hash = SHA256.hex(ofFile: path) else { throw DalleError.file(path, "cannot be read") }
    return hash
  }
  return hashes.count == 1 ? hashes[0] : SHA256.hex(of: hashes.joined().utf8)
}
