/// The processes that work on a run, from one start to its end.
package struct Job: Sendable {
  package var ranks: Int
  /// Names of hosts, and for each rank the index of its host.
  package var hosts: [String]
  package var hostOfRank: [Int]
  /// `fp32` or `bf16`.
  package var precision: String

  package init(hostNames: [String], precision: String) {
    ranks = hostNames.count
    self.precision = precision
    hosts = []
    var indices: [String: Int] = [:]
    hostOfRank = []
    for name in hostNames {
      if indices[name] == nil {
        indices[name] = hosts.count
        hosts.append(name)
      }
      hostOfRank.append(indices[name]!)
    }
  }

  package func host(of rank: Int) -> String { hosts[hostOfRank[rank]] }
}

/// What stays the same while a job trains a model.
package struct TrainingFacts: Sendable {
  package var job: Job
  /// Step at which the training is finished.
  package var steps: Int
  /// Steps between lines for people.
  package var logEvery: Int
  /// Samples per step, over all ranks.
  package var batch: Int
  /// Trained values of the model.
  package var parameters: Int
  /// What throughput counts, `tokens` or `images`, and how many of them a sample has.
  package var unit: String
  package var unitsPerSample: Double
  /// FLOPs of a sample's forward and backward pass.
  package var flopsPerSample: Double
  /// FLOP/s of large GEMMs on all ranks together, as training begins.
  package var gemmPeak: Double
  /// Bytes that each node sends to others per step.
  package var sentBytes: Int

  package init(
    job: Job, steps: Int, logEvery: Int, batch: Int, parameters: Int, unit: String, unitsPerSample: Double,
    flopsPerSample: Double, gemmPeak: Double, sentBytes: Int = 0
  ) {
    (self.job, self.steps, self.logEvery, self.batch) = (job, steps, logEvery, batch)
    (self.parameters, self.unit, self.unitsPerSample) = (parameters, unit, unitsPerSample)
    (self.flopsPerSample, self.gemmPeak, self.sentBytes) = (flopsPerSample, gemmPeak, sentBytes)
  }
}
