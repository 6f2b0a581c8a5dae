import Errors
import Files
import Foundation
import Generation

/// Where a run keeps what it makes.
package struct RunFolder: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  package var config: String { path + "/config.yaml" }
  package var shards: String { path + "/shards" }
  /// The run's own dataset, where its configuration names a source and no dataset.
  package var dataset: String { path + "/dataset" }
  package var logs: String { path + "/logs" }
  /// What each rank does at this moment.
  package var status: String { path + "/status" }
  package var samples: String { path + "/samples" }
  /// What TensorBoard shows.
  package var events: String { path + "/events" }
  /// The stages' manifests.
  package var products: String { path + "/products" }
  /// Everything that generating needs; complete when the last stage is.
  package var model: String { path + "/model" }
  package var tokenizer: String { "\(model)/\(ModelBundle.File.tokenizer)" }
  package var dvae: String { "\(model)/\(ModelBundle.File.dvae)" }
  package var dvaeWeights: String { "\(model)/\(ModelBundle.File.dvaeWeights)" }

  /// Names in the folder that no stage may have.
  static let reserved = [
    "config.yaml", "dataset", "events", "lock", "logs", "model", "products", "samples", "shards", "status",
  ]

  /// A stage's own folder.
  package func work(_ stage: String) -> String { "\(path)/\(stage)" }
  package func checkpoints(_ stage: String) -> String { "\(work(stage))/checkpoints" }
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
    for stage in config.trainings.map(\.model) where FileManager.default.fileExists(atPath: manifest(stage)) {
      fixed += ["\(stage).model", "\(stage).training.batch"]
    }
    var config = config
    // An automatic text context is that of the run's shards.
    if config.transformer.model.textLength == 0 { config.transformer.model.textLength = before.transformer.model.textLength }
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
