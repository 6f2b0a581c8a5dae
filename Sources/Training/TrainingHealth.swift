import Foundation
import Monitoring

/// What a person should look at while a model trains, with what can be done: each kind of problem is told once per job. Kept by the
/// coordinator; every method returns the warnings that are new.
package struct TrainingHealth {
  private enum Problem { case data, slowRank, spike, overfitting, collapse, disk, slowCheckpoints, lateCheckpoint }

  private let stage: String
  private let job: Job
  private let checkpointEvery: Int
  /// When a scheduler ends the job, in seconds since 1970.
  private let jobEnd: Double?
  private var told: Set<Problem> = []

  /// Steps since the share of waiting for data was last looked at, and seconds of all ranks.
  private var steps = 0
  private var seconds = PhaseSeconds()
  /// The rank that was slow in the last steps without a break, in how many, and for how long.
  private var slow: (rank: Int, steps: Int, seconds: Double)?
  private var loss = RunningMean()
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

  /// A loss far above those before it. After a step that changed nothing there is nothing to see.
  package mutating func observe(_ metrics: StepMetrics) -> [String] {
    guard metrics.loss.isFinite else { return [] }
    defer { loss.add(metrics.loss) }
    // Ten mean deviations: of normally distributed losses one in 10^14 is as far off.
    guard loss.count >= 100, metrics.loss - loss.mean > max(10 * loss.deviation, 0.05 * abs(loss.mean)) else { return [] }
    return tell(
      .spike,
      "the loss jumped to \(short(metrics.loss)), from \(short(loss.mean)) on average: if it does not come back, set "
        + "\(stage).training.lr.peak lower, or \(stage).training.adamw.clipNorm, and resume from an earlier checkpoint")
  }

  /// Ranks that wait for data, or that the others wait for.
  package mutating func observe(_ ranks: [RankUsage], over count: Int) -> [String] {
    var warnings: [String] = []
    for usage in ranks { seconds += usage.seconds * Double(count) }
    steps += count
    if steps >= 20 {
      let share = seconds[.data] / max(seconds.total, 1e-9)
      if share > 0.1 {
        warnings += tell(
          .data,
          "\(Int((100 * share).rounded())) % of a step is waiting for data: loading and decoding are slower than training; give each rank "
            + "more cores, or put the data on a faster disk")
      }
      (steps, seconds) = (0, PhaseSeconds())
    }
    if let slowest = SlowestRank(ranks), slowest.ratio >= 1.3 {
      if slow?.rank != slowest.rank { slow = (slowest.rank, 0, 0) }
      slow!.steps += count
      slow!.seconds += ranks[slowest.rank].seconds.total * Double(count)
      // In less than some seconds it may be chance.
      if slow!.steps >= 20, slow!.seconds >= 5 {
        warnings += tell(
          .slowRank,
          "rank \(slowest.rank) on \(job.host(of: slowest.rank)) has taken \(String(format: "%.1f", slowest.ratio)) times the median of the "
            + "ranks for \(slow!.steps) steps, and all wait for it: see what else runs on that host, and whether its CPU is "
            + "throttled")
      }
    } else {
      slow = nil
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
          "the dVAE's codebook has collapsed: images use \(short(perplexity)) codes in effect (perplexity); set dvae.klWeight.to lower, or "
            + "let dvae.temperature fall more slowly")
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
            + "falls: the model learns its data by heart; stop here, or train on more data")
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
    if waited > 0.1 * (time - last.time) {
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
