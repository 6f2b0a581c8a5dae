/// A plan for programs.
package struct PlanReport: Encodable {
  package struct Model: Encodable {
    /// The section of the configuration.
    let name: String
    let parameters: Int
    /// FLOPs per step.
    let flops: Double
    let steps, batch: Int
    /// Of the rank with the most.
    let samplesPerRank, microBatches: Int
    /// Bytes of a rank's own memory; and of a node, with what its ranks share.
    let bytesPerRank, bytesPerNode: Int
    /// Whether a node has that much.
    let fits: Bool
    /// Bytes that a node sends to others per step.
    let sentBytes: Int
    /// Seconds of a step by phase, and of all; nil unless a cluster is described.
    let stepSeconds: StepTime?
    let secondsPerStep: Double?
    let checkpoint: CheckpointTime?
  }
  let ranks, ranksPerNode: Int
  let precision: String
  let models: [Model]
}

extension Plan {
  /// The same numbers as in `text`.
  ///
  /// - Throws: `DalleError` if this CPU cannot compute in the configured precision, and no other machine is described.
  package func report() throws -> PlanReport {
    let models = try models().map { model in
      let time = try time(model)
      return PlanReport.Model(
        name: model.name, parameters: model.table.parameterCount, flops: model.flops * Double(model.training.batch),
        steps: model.training.steps, batch: model.training.batch, samplesPerRank: samplesPerRank(model.training),
        microBatches: microBatches(model.training), bytesPerRank: model.memory.perRank, bytesPerNode: model.memory.perNode,
        fits: fits(model.memory), sentBytes: model.exchange.sent, stepSeconds: time?.step, secondsPerStep: time?.step.total,
        checkpoint: time?.checkpoint)
    }
    return PlanReport(ranks: ranks, ranksPerNode: ranksPerNode, precision: try precision().rawValue, models: models)
  }
}
