import Checkpoint
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
  /// Everything that drawing needs; complete when the last stage is.
  public var model: String { path + "/model" }
  public var tokenizer: String { "\(model)/\(ModelBundle.File.tokenizer)" }
  public var dvaeWeights: String { "\(model)/\(ModelBundle.File.dvaeWeights)" }

  public func checkpoints(_ stage: Stage) -> String { "\(path)/\(stage.rawValue)/checkpoints" }

  /// Refuses to go on with a run whose data or models had another shape: what it made would not fit.
  func check(_ config: RunConfig) throws {
    guard FileManager.default.fileExists(atPath: self.config) else { return }
    let before = try ConfigFile.load(self.config)
    var fixed = ["seed", "data.source", "data.imageSize", "data.scenes", "data.validation", "tokenizer"]
    for stage in [Stage.dvae, .transformer] where try !CheckpointStore.steps(in: checkpoints(stage)).isEmpty {
      fixed += ["\(stage.rawValue).model", "\(stage.rawValue).training.batch"]
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

/// The parts of a run, in order.
public enum Stage: String, CaseIterable, Sendable {
  case tokenizer, dvae, encode, transformer
}
