import Errors

/// All that a report shows of a stage that trains, in bounded memory: curves of the whole run, its starts, and where the time went.
package struct StageRecord: Sendable {
  /// Updates that were skipped one after the other.
  package struct SkippedUpdates: Sendable, Equatable {
    package var time: Double
    package var firstStep: Int
    package var lastStep: Int
  }

  package typealias NamedSeries = (name: String, series: ThinnedSeries)

  /// Points of a curve.
  private static let curveLimit = 1024
  /// Curves of one kind.
  private static let curveCount = 16
  /// Starts, and runs of skipped updates, that are kept.
  static let listLimit = 500

  package let name: String
  /// Starts and resumptions, ascending; of very many the newest.
  package private(set) var beginnings: [TrainingHistory.Beginning] = []
  package private(set) var last: TrainingHistory.Step?
  package private(set) var loss = ThinnedSeries(limit: curveLimit)
  /// In the order in which they are logged.
  package private(set) var losses: [NamedSeries] = []
  package private(set) var gradientNorm = ThinnedSeries(limit: curveLimit)
  package private(set) var lr = ThinnedSeries(limit: curveLimit)
  package private(set) var throughput = ThinnedSeries(limit: curveLimit)
  package private(set) var validations: [NamedSeries] = []
  package private(set) var lastValidation: TrainingHistory.Validation?
  package private(set) var skippedCount = 0
  /// Of very many the newest.
  package private(set) var skipped: [SkippedUpdates] = []
  /// Sum of the steps' times.
  package private(set) var seconds = 0.0
  package internal(set) var ranks = RankTotals()
  /// Lines that cannot be parsed.
  package internal(set) var damagedCount = 0

  init(name: String) { self.name = name }

  mutating func add(line: UnsafeRawBufferPointer) {
    switch StepsLine(line) {
    case .step(let step): add(step)
    case .beginning(let beginning):
      beginnings.append(beginning)
      if beginnings.count >= 2 * Self.listLimit { beginnings.removeFirst(Self.listLimit) }
    case .validation(let validation):
      lastValidation = validation
      for value in validation.values { Self.add(value, step: validation.step, to: &validations) }
    case .unknown: break
    case nil: damagedCount += 1
    }
  }

  private mutating func add(_ step: TrainingHistory.Step) {
    last = step
    if step.seconds.isFinite { seconds += step.seconds }
    loss.add(step.loss, step: step.step)
    for part in step.losses { Self.add(part, step: step.step, to: &losses) }
    gradientNorm.add(step.gradientNorm, step: step.step)
    lr.add(step.lr, step: step.step)
    throughput.add(step.throughput, step: step.step)
    guard step.isSkipped else { return }
    skippedCount += 1
    if let last = skipped.last, last.lastStep == step.step - 1 {
      skipped[skipped.count - 1].lastStep = step.step
    } else {
      skipped.append(SkippedUpdates(time: step.time, firstStep: step.step, lastStep: step.step))
      if skipped.count >= 2 * Self.listLimit { skipped.removeFirst(Self.listLimit) }
    }
  }

  private static func add(_ value: NamedNumber, step: Int, to curves: inout [NamedSeries]) {
    let index = curves.firstIndex { $0.name == value.name } ?? curves.count
    if index == curveCount { return }
    if index == curves.count { curves.append((value.name, ThinnedSeries(limit: curveLimit))) }
    curves[index].series.add(value.value, step: step)
  }
}

extension StageRecord {
  /// Reads `logs/STAGE.steps.jsonl` and `logs/STAGE.ranks.jsonl` of a run.
  ///
  /// - Parameter problem: called for a file that cannot be read, or only in part.
  static func read(_ name: String, in folder: String, problem: (String) -> Void) -> StageRecord {
    var record = StageRecord(name: name)
    func attempt(_ body: () throws -> Void) {
      do { try body() } catch { problem("\(error)") }
    }
    func report(_ damaged: Int, _ path: String) {
      if damaged > 0 { problem("\(path): \(damaged) \(damaged == 1 ? "line" : "lines") cannot be parsed; the others are shown") }
    }
    attempt {
      var lines = LineFollower("\(folder)/logs/\(name).steps.jsonl")
      _ = try lines.read(restart: {}) { record.add(line: $0) }
      report(record.damagedCount, lines.path)
    }
    attempt {
      var damaged = 0
      var lines = LineFollower("\(folder)/logs/\(name).ranks.jsonl")
      _ = try lines.read(restart: {}) { line in
        if let times = RankTimes(line: line) { record.ranks.add(times) } else { damaged += 1 }
      }
      report(damaged, lines.path)
    }
    return record
  }
}
