import Errors
import Files
import Foundation

/// Which stages of a run are finished, by their products and manifests. The coordinator's alone.
struct StageLedger {
  let folder: RunFolder
  let stages: [any Stage]

  enum Status: String, Codable {
    case unfinished, finished
    /// Finished by a product that was copied into the run.
    case given
  }

  // MARK: Before anything starts

  /// Refuses a run in which a product no longer fits its inputs, or would not fit them any more after stages that are not
  /// finished have run.
  ///
  /// - Throws: `DalleError` that names what becomes invalid and what to do.
  func check() throws {
    /// Files that will change, and why.
    var changes: [String: String] = [:]
    var invalid: [(stage: any Stage, reason: String)] = []
    for stage in stages {
      guard let manifest = try manifest(of: stage) else { continue }
      let product = try stage.product(in: folder)
      if let reason = try mismatch(of: stage, manifest, changes) {
        invalid.append((stage, reason))
        for file in product.files { changes[file] = "the product of `\(stage.name)` has to be made anew" }
      } else if manifest.product != nil, product.exists, try status(of: stage) == .unfinished {
        for file in product.files {
          changes[file] = "training `\(stage.name)` from step \(manifest.work) to \(stage.work) will change \(file)"
        }
      }
    }
    guard let first = invalid.first else { return }
    throw DalleError(
      .data,
      "\(folder.path): \(first.reason), from which `\(first.stage.name)` was made; what becomes invalid: "
        + "\(invalid.map(\.stage.name).joined(separator: ", ")). Use another --run, or `--restart-from \(first.stage.name)`, which "
        + "removes \(try removals(from: first.stage).joined(separator: ", "))")
  }

  /// Which input differs from what the manifest records, or will differ; nil if none.
  private func mismatch(of stage: any Stage, _ manifest: ProductManifest, _ changes: [String: String]) throws -> String? {
    for input in try stage.inputs(in: folder) {
      if let reason = input.paths.compactMap({ changes[$0] }).first { return reason }
      let before = manifest.inputs[input.name] ?? "none"
      if let now = try input.fingerprint(), now != before {
        return "the \(input.name) is another one (was \(before.prefix(60)), now \(now.prefix(60)))"
      }
    }
    return nil
  }

  /// Removes the products of a stage and of those after it.
  ///
  /// - Returns: what was removed.
  func restart(from stage: any Stage) throws -> [String] {
    let paths = try removals(from: stage)
    for path in paths { try removeAll(path) }
    return paths
  }

  /// Manifests first: a removal that is interrupted must not leave one without its product.
  private func removals(from first: any Stage) throws -> [String] {
    let later = stages.drop { $0.name != first.name }
    let products = try later.map { try $0.product(in: folder) }
    var paths = later.map { folder.manifest($0.name) } + later.map { folder.work($0.name) } + products.flatMap(\.folders)
    // Files in those folders go with them.
    paths += products.flatMap(\.files).filter { file in !paths.contains { file.hasPrefix($0 + "/") } }
    return paths.filter { FileManager.default.fileExists(atPath: $0) }
  }

  // MARK: A stage's life

  func status(of stage: any Stage) throws -> Status {
    let product = try stage.product(in: folder)
    guard let manifest = try manifest(of: stage) else {
      if product.exists { return .given }
      if let last = product.files.last, FileManager.default.fileExists(atPath: last) {
        let missing = product.files.first { !FileManager.default.fileExists(atPath: $0) }!
        throw DalleError(.noInput, "\(missing): is missing beside \(last); copy both into the run, or remove the second")
      }
      return .unfinished
    }
    guard let hash = manifest.product, product.exists else { return .unfinished }
    if manifest.isGiven { return .given }
    if manifest.work >= stage.work { return .finished }
    // The stage would resume training and write over its product; but not over one that replaced it.
    return try fingerprint(ofFiles: product.identity) == hash ? .unfinished : .given
  }

  /// Records that a stage is under way.
  ///
  /// - Returns: its inputs' fingerprints by name.
  func begin(_ stage: any Stage) throws -> [String: String] {
    let inputs = try fingerprints(of: stage)
    try ProductManifest(stage: stage.name, inputs: inputs, work: 0).write(folder.manifest(stage.name))
    return inputs
  }

  /// Records the stage's product, made in this run or given.
  func finish(_ stage: any Stage, isGiven: Bool = false) throws {
    if isGiven { try stage.checkGiven(in: folder) }
    let product = try stage.product(in: folder)
    let manifest = ProductManifest(
      stage: stage.name, inputs: try fingerprints(of: stage), work: stage.work,
      product: try fingerprint(ofFiles: product.identity), isGiven: isGiven)
    try manifest.write(folder.manifest(stage.name))
  }

  private func fingerprints(of stage: any Stage) throws -> [String: String] {
    var fingerprints: [String: String] = [:]
    for input in try stage.inputs(in: folder) {
      guard let fingerprint = try input.fingerprint() else {
        let missing = input.paths.first { !FileManager.default.fileExists(atPath: $0) }!
        let maker = try stages.first { try $0.product(in: folder).files.contains(missing) }
        throw DalleError(
          .noInput,
          "\(missing): is missing; "
            + (maker.map { "the stage `\($0.name)` makes it: run that first, or leave out --stage" } ?? "put it there"))
      }
      fingerprints[input.name] = fingerprint
    }
    return fingerprints
  }

  private func manifest(of stage: any Stage) throws -> ProductManifest? { try ProductManifest.read(folder.manifest(stage.name)) }
}
