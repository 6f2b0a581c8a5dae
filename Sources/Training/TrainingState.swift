import Optimization

/// What a checkpoint holds beside the arrays. Data position and random numbers follow from the configuration and `step`.
package struct TrainingState: Codable, Sendable {
  /// Batches consumed.
  package var step = 0
  /// Updates applied; fewer than `step` where a gradient was not finite.
  package var updates = 0
  /// Those since nodes that train apart exchanged what they have learned; 0 without local updates.
  package var roundUpdates = 0
  package var plateau = PlateauState()
  package var skipped = SkippedUpdates()
  /// Of trainings with `patience`.
  package var stopping = EarlyStopping()
  /// Ranks that trained, for information.
  package var ranks: Int
  /// The configuration, as YAML, for people: a run that resumes brings its own, and may have keys that this one had not.
  package var config: String
  /// SHA-256 of the files that this model depends on (tokenizer, dVAE); empty where there are none.
  package var inputs: [String: String]

  /// What keys begin with that checkpoints of older versions lack. The others have always been there.
  struct Defaults: Encodable {
    var roundUpdates = 0
    var plateau = PlateauState()
    var skipped = SkippedUpdates()
    var stopping = EarlyStopping()
  }

  package init(_ config: RunConfig, ranks: Int, inputs: [String: String]) throws {
    self.config = try config.yaml()
    self.ranks = ranks
    self.inputs = inputs
  }
}
