import Foundation
import Parallel

extension Plan {
  /// What a step and a checkpoint of a model take on the cluster; nil without one.
  func time(_ model: Model) throws -> (step: StepTime, checkpoint: CheckpointTime)? {
    guard let cluster else { return nil }
    let state = state(model.training)
    let step = StepTimeModel(
      cluster, model.table, model.training, precision: try precision(), exchange: model.exchange, state: state, flops: model.flops,
      recomputedFLOPs: model.recomputedFLOPs
    ).time
    let checkpoint = CheckpointTime(
      cluster, parameters: model.table.parameterCount, state: state, isLocal: config.parallel.localUpdates > 0,
      spread: model.exchange.spread, step: step)
    return (step, checkpoint)
  }

  /// A table of it.
  func timeText(_ model: Model) throws -> String? {
    guard let cluster, let (step, checkpoint) = try time(model) else { return nil }
    let digits = step.total < 10 ? 3 : step.total < 100 ? 2 : 1
    func row(_ name: String, _ seconds: Double, _ remark: String = "") -> String {
      let columns = [String(format: "%.\(digits)f s", seconds), Self.percent(seconds / step.total)]
      return "    " + name.padding(toLength: 11, withPad: " ", startingAt: 0)
        + columns.map { String(repeating: " ", count: max(1, 10 - $0.count)) + $0 }.joined() + remark
    }
    let idle = max(0, ranks - model.training.batch)
    let training = model.training
    let throughput = Double(training.batch) / step.total
    var rows = [
      "  step         \(Self.duration(step.total)): \(String(format: throughput < 10 ? "%.2f" : "%.1f", throughput)) samples/s, "
        + "\(training.steps.formatted()) steps in \(Self.duration(Double(training.steps) * step.total))"
        + (idle > 0 ? "; \(idle.formatted()) of \(ranks.formatted()) ranks have no sample" : ""),
      row("forward", step.forward), row("backward", step.backward),
    ]
    if ranksPerNode > 1 { rows.append(row("node sum", step.nodeSum)) }
    if step.compression > 0 { rows.append(row("compression", step.compression)) }
    if step.processing > 0 { rows.append(row("processing", step.processing, "   of messages, while ranks compute")) }
    if nodes > 1 {
      let whole = "   of \(Self.duration(step.exchange)) between nodes; the rest travels while ranks compute"
      rows.append(row("exchange", step.exposed, whole))
    }
    rows.append(row("update", step.update))
    rows.append(
      "  checkpoint   \(Self.scaled(checkpoint.byteCount)), on disk after \(Self.duration(checkpoint.seconds)), of which training waits "
        + "\(Self.duration(checkpoint.waited))")
    rows.append(
      "    best every \(Self.duration(checkpoint.interval)) (checkpointEvery: \(checkpoint.every)) with a failure every "
        + "\(Self.duration(cluster.secondsBetweenFailures)): \(Self.percent(checkpoint.lost)) of the time is lost")
    return rows.joined(separator: "\n")
  }

  /// "52.3 s", "3.1 days"
  static func duration(_ seconds: Double) -> String {
    if seconds < 1 { return String(format: "%.0f ms", 1000 * seconds) }
    let units = [(1.0, "s"), (60, "min"), (3600, "h"), (86_400, "days")]
    // A unit is used from two of it on.
    let (unit, name) = units.last { seconds >= 2 * $0.0 } ?? units[0]
    return String(format: seconds / unit < 10 ? "%.2f" : "%.1f", seconds / unit) + " \(name)"
  }
}
