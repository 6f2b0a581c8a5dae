import Foundation

/// Events as lines for people: on the coordinator on standard output, warnings and skipped samples on standard error. Other ranks
/// show these two alone.
package final class ConsoleSink: EventSink {
  private let isCoordinator: Bool
  /// Of the current training.
  private var steps = 0
  private var logEvery = 1
  private var remaining = RemainingTime()

  package init(isCoordinator: Bool) { self.isCoordinator = isCoordinator }

  package func record(_ event: Event) {
    switch event.kind {
    case .warning(let text): Self.write(warning: text)
    case .skip(let reason): Self.write("skipped: \(reason)", to: .standardError)
    default:
      guard isCoordinator, let line = line(event) else { return }
      Self.write(line, to: .standardOutput)
    }
  }

  private func line(_ event: Event) -> String? {
    let position = [event.stage, event.step.map { "\($0)" }].compactMap(\.self).joined(separator: " ")
    switch event.kind {
    case .stageBegun(let number, let count): return "[\(number)/\(count)] \(position): begins"
    case .stageFinished(let number, let count, let isGiven):
      return "[\(number)/\(count)] \(position): finished\(isGiven ? ", with a product from elsewhere" : "")"
    case .trainingBegun(let facts):
      (steps, logEvery, remaining) = (facts.steps, facts.logEvery, RemainingTime())
      remaining.observe(done: event.step ?? 0)
      return event.step == 0 ? nil : "\(event.stage ?? ""): resumes at step \(event.step ?? 0) of \(steps)"
    case .step(let metrics): return line(metrics, step: event.step ?? 0, stage: event.stage ?? "")
    case .validation(let metrics):
      return "\(position)  validation: " + metrics.map { "\($0.name) \(short($0.value))" }.joined(separator: ", ")
    case .sampleGrid(let path): return "\(position)  samples: \(path)"
    case .message(let text): return event.stage.map { "\($0): \(text)" } ?? text
    case .started, .ranks, .checkpoint, .histogram, .warning, .skip, .ended: return nil
    }
  }

  private func line(_ metrics: StepMetrics, step: Int, stage: String) -> String? {
    remaining.observe(done: step)
    guard metrics.isSkipped || step % logEvery == 0 || step == steps else { return nil }
    var line = "\(stage) \(step)/\(steps)  loss \(short(metrics.loss))"
    if metrics.losses.count > 1 {
      line += " (" + metrics.losses.map { "\($0.name) \(short($0.value))" }.joined(separator: ", ") + ")"
    }
    line += "  norm \(short(metrics.gradientNorm))  lr \(short(metrics.lr))"
    line += "  \(short(metrics.throughput.value)) \(metrics.throughput.name.replacingOccurrences(of: "PerSecond", with: "/s"))"
    if metrics.isSkipped { line += "  SKIPPED: not finite" }
    // Below 10 % the ranks take turns in being last.
    if let slowest = metrics.slowest, slowest.ratio >= 1.1 {
      line += "  slowest: rank \(slowest.rank), \(String(format: "%.2f", slowest.ratio)) x the median"
    }
    if let left = remaining.text(total: steps) { line += "  \(left) left" }
    return line
  }

  /// Shows a warning that does not come as an event.
  package static func write(warning text: String) { write("warning: \(text)", to: .standardError) }

  /// A console that is closed, or that nobody reads for a second, does not delay training: the log file has every line.
  private static func write(_ line: String, to console: FileHandle) {
    var output = pollfd(fd: console.fileDescriptor, events: Int16(POLLOUT), revents: 0)
    guard poll(&output, 1, 1000) == 1, output.revents & Int16(POLLOUT) != 0 else { return }
    try? console.write(contentsOf: Data((line + "\n").utf8))
  }
}

/// About four significant digits, with an exponent below 0.001 only.
package func short(_ value: Double) -> String {
  guard value.isFinite else { return "\(value)" }
  let size = abs(value)
  if size != 0 && size < 1e-3 { return String(format: "%.2e", value) }
  if size >= 1000 { return String(format: "%.0f", value) }
  return String(format: size >= 100 ? "%.1f" : size >= 10 ? "%.2f" : "%.4f", value)
}
