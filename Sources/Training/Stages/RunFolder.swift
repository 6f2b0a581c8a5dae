import Errors
import Files
import Foundation
import Generation

/// Where a run keeps what it makes.
public struct RunFolder: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  public var config: String { path + "/config.yaml" }
  public var shards: String { path + "/shards" }
  /// The run's own dataset, where its configuration names a source and no dataset.
  public var dataset: String { path + "/dataset" }
  public var logs: String { path + "/logs" }
  public var samples: String { path + "/samples" }
  /// The stages' manifests.
  public var products: String { path + "/products" }
  /// Everything that generating needs; complete when the last stage is.
  public var model: String { path + "/model" }
  public var tokenizer: String { "\(model)/\(ModelBundle.File.tokenizer)" }
  public var dvae: String { "\(model)/\(ModelBundle.File.dvae)" }
  public var dvaeWeights: String { "\(model)/\(ModelBundle.File.dvaeWeights)" }

  /// Names in the folder that no stage may have.
  static let reserved = ["config.yaml", "dataset", "lock", "logs", "model", "products", "samples", "shards"]

  /// A stage's own folder.
  public func work(_ stage: String) -> String { "\(path)/\(stage)" }
  public func checkpoints(_ stage: String) -> String { "\(work(stage))/checkpoints" }
  func manifest(_ stage: String) -> String { "\(products)/\(stage).json" }

  /// Refuses to resume a run whose data or models had another shape, or whose files have an older format: what it made would not
  /// fit. Called on the coordinator.
  ///
  /// - Throws: `DalleError` of kind `configuration` that names the key and both values; of kind `data` for an older format.
  func check(_ config: RunConfig) throws {
    guard FileManager.default.fileExists(atPath: self.config) else { return }
    guard FileManager.default.fileExists(atPath: products) else {
      throw DalleError(
        .data,
        "\(path): this run was made by an older version, whose files do not say what they were made from (\(products) is missing); "
          + "use another --run. To keep its tokenizer and dVAE, copy \(tokenizer), \(dvae) and \(dvaeWeights) into the folder "
          + "`model` of the new one")
    }
    let before: RunConfig
    do {
      before = try ConfigFile.load(self.config)
    } catch {
      throw DalleError(.configuration, "\(error); another version wrote this file of the run: correct it, or use another --run")
    }
    var fixed = ["seed", "data.source", "data.imageSize", "data.scenes", "data.validation", "tokenizer"]
    for stage in ["dvae", "transformer"] where FileManager.default.fileExists(atPath: manifest(stage)) {
      fixed += ["\(stage).model", "\(stage).training.batch"]
    }
    // Recomputation changes memory, not numbers.
    guard let change = try config.withoutRecompute.firstChange(from: before.withoutRecompute, keys: fixed) else { return }
    throw DalleError(
      .configuration,
      "\(self.config): this run began with `\(change.key): \(change.before)`, now it is \(change.now); "
        + "use another --run, or put the value back")
  }
}

extension RunConfig {
  fileprivate var withoutRecompute: RunConfig {
    var config = self
    config.dvae.model.recompute = false
    config.transformer.model.recompute = false
    return config
  }
}
