import Foundation
import Monitoring

/// What is known of the run as a whole, for the upper part of a page.
struct Head {
  let run: Observation
  let paper: Paper

  /// Rows of a terminal that has some to spare.
  private static let tall = 30

  /// All but the plots.
  var lines: [StyledLine] {
    title + reason + bar + messages + numbers.lines(on: paper) + validation.lines(on: paper) + checkpoint.lines(on: paper) + samples
      + problems
  }

  // MARK: Where it is

  private var title: [StyledLine] {
    var flow = Flow()
    flow.add(run.folder, .strong)
    flow.add(run.verdict.state.rawValue.uppercased(), run.verdict.state.style)
    if let stage = run.stage { flow.add(run.isStageFinished ? "\(stage) finished" : stage, .strong) }
    if let training = run.training, let stage = run.trainedStage {
      let step = training.last?.step ?? training.beginning?.step ?? 0
      let steps = training.beginning?.steps ?? 0
      let share = steps > 0 ? " of \(steps) (\(100 * min(step, steps) / steps) %)" : ""
      flow.add((stage == run.stage ? "" : "\(stage): ") + "step \(step)\(share)")
      if isTraining, run.verdict.state == .running, let left = training.secondsLeft { flow.add("\(Texts.duration(left)) left") }
    }
    if let doing { flow.add(doing, .faint) }
    if !run.isComplete { flow.add("reading the logs", .faint) }
    return flow.lines(on: paper)
  }

  private var isTraining: Bool { run.trainedStage == run.stage && !run.isStageFinished }

  /// What the coordinator does, where that is no part of a step.
  private var doing: String? {
    guard run.verdict.state == .running, let rank = run.ranks.first, let phase = rank.phase else { return nil }
    if RankTimes.phases.contains(phase) { return nil }
    return "\(phase)\(rank.secondsInPhase.map { " for \(Texts.duration($0))" } ?? "")"
  }

  private var reason: [StyledLine] {
    Flow.wrapped(run.verdict.reason, run.verdict.state == .stopped ? .plain : run.verdict.state.style, on: paper)
  }

  /// How far the training is; where lines are rare, the title's percents must do.
  private var bar: [StyledLine] {
    guard paper.rows >= Self.tall, let training = run.training, let steps = training.beginning?.steps, steps > 0 else { return [] }
    let done = min(paper.columns, paper.columns * max(0, min(training.last?.step ?? 0, steps)) / steps)
    return [
      StyledLine(String(repeating: paper.full, count: done), .curve)
        + StyledLine(String(repeating: paper.empty, count: paper.columns - done), .faint)
    ]
  }

  /// The newest message: stages that train nothing report their progress by it.
  private var messages: [StyledLine] {
    guard run.verdict.state == .running, !isTraining, let message = run.message else { return [] }
    return [StyledLine(message.text, .faint).cut(to: paper.columns, paper)]
  }

  // MARK: Numbers

  private var numbers: Flow {
    var flow = Flow()
    guard let training = run.training, let last = training.last else { return flow }
    flow.add("loss", value: short(last.loss), last.loss.isFinite ? .strong : .bad)
    for part in last.losses where last.losses.count > 1 { flow.add(part.name, value: short(part.value)) }
    flow.add("norm", value: short(last.gradientNorm), last.gradientNorm.isFinite ? .strong : .bad)
    flow.add("lr", value: short(last.lr))
    let skipped = training.lastSkipped.map { "\(training.skippedCount), last at step \($0)" } ?? "0"
    flow.add("skipped", value: skipped, training.skippedCount > 0 ? .warning : .strong)
    guard let beginning = training.beginning else { return flow }
    if let throughput = training.throughput { flow.add("\(Texts.rounded(throughput)) \(beginning.unit)/s", .strong) }
    if let share = training.shareOfPeak { flow.add("\(String(format: "%.0f", 100 * share)) % of GEMM peak", .strong) }
    if let seconds = training.secondsPerStep { flow.add("\(Texts.seconds(seconds)) s/step", .strong) }
    if let slowest = training.slowest {
      let text = "rank \(slowest.rank), \(String(format: "%.2f", slowest.ratio))\(paper.times)"
      flow.add("slowest", value: text, slowest.ratio > RankView.slowRatio ? .warning : .strong)
    }
    flow.add("batch", value: "\(beginning.batch)")
    flow.add("parameters", value: Texts.rounded(Double(beginning.parameters)))
    if !beginning.precision.isEmpty { flow.add(beginning.precision, .strong) }
    if beginning.version > 1 {
      flow.add("format \(beginning.version) of the logs: this program knows 1; use that of the training", .warning)
    }
    if training.damagedCount > 0 { flow.add("damaged log lines", value: "\(training.damagedCount)", .warning) }
    return flow
  }

  private var validation: Flow {
    var flow = Flow()
    guard let newest = run.training?.validations.last else { return flow }
    let before = run.training?.validations.dropLast().last?.values ?? []
    flow.add("validation", value: "step \(newest.step)")
    for item in newest.values {
      let change = before.first { $0.name == item.name }.map { item.value - $0.value }
      let sign = change.map { $0 < 0 ? " (\(short($0)))" : " (+\(short($0)))" } ?? ""
      flow.add(item.name, value: short(item.value) + sign)
    }
    return flow
  }

  private var checkpoint: Flow {
    var flow = Flow()
    if let newest = run.checkpoint {
      let age = Texts.duration(max(0, run.time - newest.time))
      flow.add("checkpoint", value: "step \(newest.step), \(age) ago, \(Texts.bytes(Double(newest.byteCount)))")
    } else if run.training != nil {
      flow.add("checkpoint", value: "none")
    }
    if let free = run.freeBytes {
      let count = run.checkpointsThatFit
      let others = count.map { ", \($0 > 999 ? "999+" : "\($0)") \($0 == 1 ? "checkpoint" : "checkpoints")" } ?? ""
      flow.add("free", value: Texts.bytes(Double(free)) + others, count ?? 2 < 2 ? .bad : .strong)
    }
    return flow
  }

  private var samples: [StyledLine] {
    guard let path = run.samples else { return [] }
    return [(StyledLine("samples ", .faint) + StyledLine(path)).cut(to: paper.columns, paper)]
  }

  private var problems: [StyledLine] { run.problems.prefix(3).flatMap { Flow.wrapped($0, .bad, indent: 2, on: paper) } }
}

extension Verdict.State {
  fileprivate var style: Style {
    switch self {
    case .running, .finished: .good
    case .stalled, .failed: .bad
    case .stopped: .warning
    }
  }
}

extension Observation {
  /// Checkpoints as large as the newest one that the disk has space for.
  var checkpointsThatFit: Int? {
    guard let size = checkpoint?.byteCount, size > 0, let freeBytes else { return nil }
    return freeBytes / size
  }
}
