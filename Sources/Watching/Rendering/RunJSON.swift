import Foundation

/// A run as one JSON object, for programs.
package struct RunJSON: Encodable {
  private struct Rank: Encodable {
    var rank: Int
    var host: String
    var process: Int?
    var step: Int?
    var phase: String?
    var secondsInPhase: Double?
    var seconds: Double?
    var phases: [String: Double]
    var ratio: Double?
    var memory: Double?
    var heard: Double?
    var quiet: Double?
    var mark: String?
  }

  private struct Warning: Encodable {
    var time: Double
    var rank: Int
    var stage: String?
    var text: String
  }

  private struct Validation: Encodable {
    var step: Int
    var values: [String: Double]
  }

  private struct Checkpoint: Encodable {
    var step: Int
    var path: String
    var age: Double
    var bytes: Int
  }

  private var run: String
  private var time: Double
  private var state: String
  private var exitCode: Int32
  private var reason: String
  private var stage: String?
  private var trainedStage: String?
  private var step: Int?
  private var steps: Int?
  private var secondsLeft: Double?
  private var loss: Double?
  private var losses: [String: Double]?
  private var lr: Double?
  private var gradientNorm: Double?
  private var skipped: Int?
  private var throughput: Double?
  private var unit: String?
  private var secondsPerStep: Double?
  private var shareOfPeak: Double?
  private var validation: Validation?
  private var checkpoint: Checkpoint?
  private var freeBytes: Int?
  private var checkpointsThatFit: Int?
  private var samples: String?
  private var skippedSamples: Int
  private var ranks: [Rank]
  private var warnings: [Warning]
  private var problems: [String]

  package init(_ run: Observation) {
    let training = run.training
    let last = training?.last
    (self.run, time, stage, trainedStage) = (run.folder, run.time, run.stage, run.trainedStage)
    (state, exitCode, reason) = (run.verdict.state.rawValue, run.verdict.state.exitCode, run.verdict.reason)
    (step, steps) = (last?.step ?? training?.beginning?.step, training?.beginning?.steps)
    if run.verdict.state == .running { secondsLeft = training?.secondsLeft }
    (loss, losses) = (last?.loss, last.map { byName($0.losses) })
    (lr, gradientNorm, skipped) = (last?.lr, last?.gradientNorm, training?.skippedCount)
    (throughput, unit, secondsPerStep) = (training?.throughput, training?.beginning?.unit, training?.secondsPerStep)
    shareOfPeak = training?.shareOfPeak
    validation = training?.validations.last.map { Validation(step: $0.step, values: byName($0.values)) }
    checkpoint = run.checkpoint.map {
      Checkpoint(step: $0.step, path: $0.path, age: max(0, run.time - $0.time), bytes: $0.byteCount)
    }
    (freeBytes, checkpointsThatFit) = (run.freeBytes, run.checkpointsThatFit)
    (samples, skippedSamples, problems) = (run.samples, run.skippedSamples, run.problems)
    ranks = run.ranks.map {
      Rank(
        rank: $0.rank, host: $0.host, process: $0.process, step: $0.step, phase: $0.phase, secondsInPhase: $0.secondsInPhase,
        seconds: $0.seconds, phases: $0.phases, ratio: $0.ratio, memory: $0.memory, heard: $0.heard, quiet: $0.quiet,
        mark: $0.mark?.rawValue)
    }
    warnings = run.warnings.map { Warning(time: $0.time, rank: $0.rank, stage: $0.stage, text: $0.text) }
  }

  /// On one line, without a line break.
  package var line: Data {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      return try encoder.encode(self)
    }
  }
}

private func byName(_ numbers: [NamedNumber]) -> [String: Double] {
  Dictionary(numbers.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
}
