import Foundation

/// Writes what belongs to training steps, on the coordinator: `STAGE.steps.jsonl` has one line per step of the whole run,
/// `STAGE.ranks.jsonl` where each rank's time went; see Docs/monitoring.md. A training that resumes continues both files, without the
/// lines of steps that are done again.
package final class StepLogSink: EventSink {
  /// Bytes per step that lines of the ranks may take on average, so that many ranks do not fill a disk.
  private static let rankBytesPerStep = 150

  private let folder: String
  private var steps: LogFile?
  private var ranks: LogFile?
  /// Bytes that the ranks' lines may still take.
  private var budget = 0
  private var lineBytes = 0
  /// Sums over `over` steps that have no line yet.
  private var pending: [PhaseSeconds] = []
  private var over = 0

  package init(folder: String) { self.folder = folder }

  package func record(_ event: Event) throws {
    let (time, step) = ((event.time * 1000).rounded() / 1000, event.step ?? 0)
    switch event.kind {
    case .trainingBegun(let facts): try begin(facts, stage: event.stage ?? "", step: step, time: time)
    case .step(let metrics):
      try steps?.append(StepLine(metrics, step: step, time: time))
      budget += Self.rankBytesPerStep
    case .ranks(let usages, let over): try add(usages, over: over, step: step, time: time)
    case .validation(let metrics): try steps?.append(ValidationLine(step: step, time: time, values: values(metrics)))
    // Steps up to a checkpoint are never done again.
    case .checkpoint: steps?.synchronize()
    default: break
    }
  }

  private func begin(_ facts: TrainingFacts, stage: String, step: Int, time: Double) throws {
    let files = try ["steps", "ranks"].map { try LogFile("\(folder)/\(stage).\($0).jsonl") }
    struct Position: Decodable { var step: Int }
    for file in files {
      try file.removeLast { line in
        guard let position = try? JSONDecoder().decode(Position.self, from: line) else { return true }
        // Where training begins anew, nothing of an earlier one is left.
        return position.step > step || step == 0
      }
    }
    (steps, ranks) = (files[0], files[1])
    (budget, lineBytes, pending, over) = (0, 0, [], 0)
    try steps?.append(BeginLine(facts, step: step, time: time))
  }

  private func add(_ usages: [RankUsage], over count: Int, step: Int, time: Double) throws {
    if pending.count != usages.count { (pending, over) = (Array(repeating: PhaseSeconds(), count: usages.count), 0) }
    for (index, usage) in usages.enumerated() { pending[index] += usage.seconds * Double(count) }
    over += count
    guard budget >= lineBytes else { return }
    let phases = Phase.ofStep.map { phase in (phase.name, pending.map { microseconds($0[phase] / Double(over)) }) }
    let line = RankLine(
      step: step, time: time, over: over, memory: usages.map(\.memory),
      phases: Dictionary(uniqueKeysWithValues: phases))
    lineBytes = try ranks?.append(line) ?? 0
    budget -= lineBytes
    (pending, over) = ([], 0)
  }
}

// MARK: Lines

private struct BeginLine: Encodable {
  let event = "begin"
  /// Of the format.
  let version = 1
  let time: Double
  let step, steps, logEvery, ranks: Int
  let hosts: [String]
  let hostOfRank: [Int]
  let precision: String
  let batch, parameters: Int
  let unit: String
  let unitsPerSample, flopsPerSample, gemmPeak: Double
  let sentBytes: Int

  init(_ facts: TrainingFacts, step: Int, time: Double) {
    (self.time, self.step, steps, logEvery) = (time, step, facts.steps, facts.logEvery)
    (ranks, hosts, hostOfRank, precision) = (facts.job.ranks, facts.job.hosts, facts.job.hostOfRank, facts.job.precision)
    (batch, parameters, unit, unitsPerSample) = (facts.batch, facts.parameters, facts.unit, facts.unitsPerSample)
    (flopsPerSample, gemmPeak) = (rounded(facts.flopsPerSample), rounded(facts.gemmPeak, digits: 3))
    sentBytes = facts.sentBytes
  }
}

private struct StepLine: Encodable {
  let step: Int
  let time, loss: Double
  let losses: [String: Double]
  let gradientNorm, lr, seconds, throughput: Double
  let skipped: Bool?
  let slowest: SlowestRank?

  init(_ metrics: StepMetrics, step: Int, time: Double) {
    (self.step, self.time) = (step, time)
    loss = rounded(metrics.loss)
    losses = values(metrics.losses)
    (gradientNorm, lr) = (rounded(metrics.gradientNorm), rounded(metrics.lr))
    (seconds, throughput) = (rounded(metrics.seconds, digits: 4), rounded(metrics.throughput.value, digits: 4))
    skipped = metrics.isSkipped ? true : nil
    slowest = metrics.slowest.map { SlowestRank(rank: $0.rank, ratio: rounded($0.ratio, digits: 3)) }
  }
}

private struct ValidationLine: Encodable {
  let event = "validation"
  let step: Int
  let time: Double
  let values: [String: Double]
}

private struct RankLine: Encodable {
  let step: Int
  let time: Double
  let over: Int
  let memory: [Int]
  let phases: [String: [Double]]
}

private func values(_ metrics: [Metric]) -> [String: Double] {
  Dictionary(metrics.map { ($0.name, rounded($0.value)) }, uniquingKeysWith: { $1 })
}

/// Three digits, and none below a microsecond.
private func microseconds(_ value: Double) -> Double { rounded((value * 1e6).rounded() / 1e6, digits: 3) }

/// With so many significant digits: a short number in JSON.
private func rounded(_ value: Double, digits: Int = 6) -> Double {
  value.isFinite ? Double(String(format: "%.\(digits)g", value))! : value
}
