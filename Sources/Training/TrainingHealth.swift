import Foundation
import Monitoring

/// What a person should look at while a model trains, with what can be done: each kind of problem is told once per job. Kept by the
/// coordinator; every method returns the warnings that are new.
package struct TrainingHealth {
  private enum Problem {
    case data, slowRank, slowCores, fewerCores, spike, overfitting, collapse, disk, slowCheckpoints, lateCheckpoint
  }

  private static let spikeSteps = 20

  private let stage: String
  private let job: Job
  private let checkpointEvery: Int
  /// When a scheduler ends the job, in seconds since 1970.
  private let jobEnd: Double?
  private var told: Set<Problem> = []

  /// Steps since the ranks' time was last looked at, and each rank's seconds in them.
  private var steps = 0
  private var seconds: [PhaseSeconds] = []
  /// What the ranks' cores were when training began.
  private var firstCores: [CoreState] = []
  /// Looks in a row that found a core slower.
  private var slowLooks = 0
  private var loss = RunningMean()
  /// Steps in a row whose loss is far above those before, and what it was on average.
  private var high = (count: 0, mean: 0.0)
  private var best: (step: Int, validation: Double, training: Double)?
  private var worseValidations = 0
  private var collapsedValidations = 0
  private var lastCheckpoint: (step: Int, time: Double)?

  /// - Parameter environment: where Slurm tells the job's end.
  package init(
    stage: String, job: Job, checkpointEvery: Int, environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    (self.stage, self.job, self.checkpointEvery) = (stage, job, checkpointEvery)
    jobEnd = environment["SLURM_JOB_END_TIME"].flatMap(Double.init)
  }

  private mutating func tell(_ problem: Problem, _ text: String) -> [String] { told.insert(problem).inserted ? [text] : [] }

  // MARK: Steps

  /// A loss that jumps far above those before it, and stays there. After a step that changed nothing there is nothing to see.
  package mutating func observe(_ metrics: StepMetrics) -> [String] {
    guard metrics.loss.isFinite else { return [] }
    // Ten mean deviations: of normally distributed losses one in 10^14 is as far off.
    guard loss.count >= 100, metrics.loss - loss.mean > max(10 * loss.deviation, 0.05 * abs(loss.mean)) else {
      loss.add(metrics.loss)
      high.count = 0
      return []
    }
    // A training that is well makes good for a bad batch within a few steps.
    high = (high.count + 1, loss.mean)
    guard high.count >= Self.spikeSteps else { return [] }
    loss = RunningMean()
    high.count = 0
    return tell(
      .spike,
      "the loss jumped to \(short(metrics.loss)), from \(short(high.mean)) on average, and has been there for \(Self.spikeSteps) steps: if "
        + "it does not come back, set \(stage).training.lr.peak lower, or \(stage).training.adamw.clipNorm, and resume from an earlier "
        + "checkpoint")
  }

  /// Ranks that wait for data, or that the others wait for, and cores that are not what they were.
  package mutating func observe(_ ranks: [RankUsage], over count: Int) -> [String] {
    if seconds.count != ranks.count { (steps, seconds) = (0, Array(repeating: PhaseSeconds(), count: ranks.count)) }
    for (index, usage) in ranks.enumerated() { seconds[index] += usage.seconds * Double(count) }
    steps += count
    let warnings = coresChanged(ranks.map(\.cores))
    // In less than some seconds it may be chance.
    guard steps >= 20, seconds[0].total >= 5 else { return warnings }
    defer { (steps, seconds) = (0, Array(repeating: PhaseSeconds(), count: ranks.count)) }
    return warnings + waitingForData() + slowRanks()
  }

  private mutating func waitingForData() -> [String] {
    let all = seconds.reduce(into: PhaseSeconds()) { $0 += $1 }
    let share = all[.data] / max(all.total, 1e-9)
    guard share > 0.1 else { return [] }
    return tell(
      .data,
      "\(Int((100 * share).rounded())) % of a step is waiting for data: loading and decoding are slower than training; give each rank "
        + "more cores, or put the data on a faster disk")
  }

  private mutating func slowRanks() -> [String] {
    let usages = seconds.map { RankUsage(seconds: $0, memory: 0) }
    guard let slowest = SlowestRank(usages), slowest.ratio >= 1.3 else { return [] }
    return tell(
      .slowRank,
      "rank \(slowest.rank) on \(job.host(of: slowest.rank)) has taken \(String(format: "%.1f", slowest.ratio)) times the median of the "
        + "ranks for \(steps) steps, and all wait for it: see what else runs on that host, and whether its CPU is throttled")
  }

  /// Compares the cores with those at the first look.
  private mutating func coresChanged(_ cores: [CoreState]) -> [String] {
    if firstCores.count != cores.count { firstCores = cores }
    var warnings: [String] = []
    if let rank = cores.indices.first(where: { cores[$0].count < firstCores[$0].count }) {
      warnings += tell(
        .fewerCores,
        "rank \(rank) on \(job.host(of: rank)) may use \(cores[rank].count) of the \(firstCores[rank].count) cores that it had when training "
          + "began: a CPU quota or `taskset` took them; give them back, or stop and start the job again, so that it has fewer threads"
      )
    }
    let shares = cores.indices.map { cores[$0].speed / firstCores[$0].speed }
    let slowest = shares.indices.min { shares[$0] < shares[$1] }!
    slowLooks = shares[slowest] < 0.75 ? slowLooks + 1 : 0
    if slowLooks >= 3 {
      warnings += tell(
        .slowCores,
        "rank \(slowest) on \(job.host(of: slowest)) has cores at \(Int((100 * shares[slowest]).rounded())) % of the speed that they had when "
          + "training began: the CPU is throttled by heat or a power limit, or shares its core; see `sensors` and `cpupower` there")
    }
    return warnings
  }

  // MARK: Validation

  package mutating func observe(validation metrics: [Metric], step: Int) -> [String] {
    var warnings: [String] = []
    if let perplexity = metrics.first(where: { $0.name == "perplexity" })?.value {
      // The codes of the first steps mean nothing yet.
      collapsedValidations = perplexity < 2 ? collapsedValidations + 1 : 0
      if collapsedValidations >= 3 {
        warnings += tell(
          .collapse,
          "the dVAE's codebook has collapsed: images use \(short(perplexity)) codes in effect (perplexity); set dvae.klWeight.to lower, "
            + "let dvae.temperature fall more slowly, or take dvae.model.quantizer: fsq")
      }
    }
    guard let validation = metrics.first?.value, validation.isFinite, loss.count > 0 else { return warnings }
    if best.map({ validation < $0.validation }) ?? true {
      best = (step, validation, loss.mean)
      worseValidations = 0
    } else if let best, validation - best.validation > 0.01 * abs(best.validation), loss.mean < best.training {
      worseValidations += 1
      if worseValidations >= 3 {
        warnings += tell(
          .overfitting,
          "validation has become worse since step \(best.step) (\(short(best.validation)), now \(short(validation))), while the training loss "
            + "falls: the model learns its data by heart; with \(stage).training.patience training ends by itself, with the best weights; more data, or "
            + "variants of its captions, help further")
      }
    }
    return warnings
  }

  // MARK: Checkpoints

  /// - Parameters:
  ///   - time: now, in seconds since 1970.
  ///   - waited: seconds that training waited for the checkpoint before.
  ///   - byteCount: of a checkpoint.
  ///   - free: bytes on its disk; nil where that is not known.
  package mutating func observe(checkpoint step: Int, time: Double, waited: Double, byteCount: Int, free: Int?) -> [String] {
    var warnings: [String] = []
    defer { lastCheckpoint = (step, time) }
    if let free, free < 2 * byteCount {
      warnings += tell(
        .disk,
        "\(free.formatted(.byteCount(style: .decimal))) of disk are left, fewer than two checkpoints take "
          + "(\((2 * byteCount).formatted(.byteCount(style: .decimal)))): free space, or keep fewer (\(stage).training.keepLast, keepEvery)"
      )
    }
    guard let last = lastCheckpoint, step > last.step, time > last.time else { return warnings }
    if waited >= 1, waited > 0.1 * (time - last.time) {
      warnings += tell(
        .slowCheckpoints,
        "training waited \(RemainingTime.text(seconds: waited)) for the checkpoint before: a checkpoint takes longer than the "
          + "\(RemainingTime.text(seconds: time - last.time)) between two; set \(stage).training.checkpointEvery higher, or use a faster disk"
      )
    }
    if let jobEnd, checkpointEvery > 0 {
      let next = time + (time - last.time) / Double(step - last.step) * Double(checkpointEvery)
      if next > jobEnd {
        warnings += tell(
          .lateCheckpoint,
          "the next checkpoint is due in \(RemainingTime.text(seconds: next - time)), the job ends in "
            + "\(RemainingTime.text(seconds: max(0, jobEnd - time))): set \(stage).training.checkpointEvery lower, or let the scheduler "
            + "send SIGUSR1 before the end, as Launch/slurm.sbatch does")
      }
    }
    return warnings
  }
}

/// Mean and mean absolute deviation of about the last hundred values.
private struct RunningMean {
  private(set) var count = 0
  private(set) var mean = 0.0
  private(set) var deviation = 0.0

  mutating func add(_ value: Double) {
    count += 1
    let share = max(0.01, 1 / Double(count))
    deviation += share * (abs(value - mean) * (count == 1 ? 0 : 1) - deviation)
    mean += share * (value - mean)
  }
}
