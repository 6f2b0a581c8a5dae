import Foundation

/// One training step as one JSON line.
public struct StepRecord: Codable, Sendable {
  public var time: Double  // seconds since 1970
  public var stage: String
  public var step: Int
  public var loss: Double
  /// Parts of the loss: `text`, `image`; `reconstruction`, `kl`.
  public var parts: [String: Double]
  public var gradientNorm: Double
  public var learningRate: Double
  /// Of all ranks together, in `unit` a second.
  public var rate: Double
  public var unit: String
  /// Seconds by phase.
  public var phases: [String: Double]
  public var seconds: Double
  /// Resident bytes of this rank.
  public var memory: Int
  /// Whether the update was skipped because of a non-finite loss or gradient.
  public var skipped: Bool
}

/// Another event as one JSON line: a validation, a stage's start.
public struct EventRecord: Codable, Sendable {
  public var time: Double
  public var stage: String
  public var step: Int
  public var event: String
  public var values: [String: Double]
}

/// A rank's log: JSON lines in a file, and on the coordinator readable lines on the console.
public final class StepLog {
  private let file: FileHandle
  private let console: Bool
  private let encoder = JSONEncoder()
  private var stage = ""
  private var total = 0
  private var remaining = RemainingTime()

  /// Appends to `folder/rank-00000.jsonl`. A last line that a crash cut off is closed first.
  public init(folder: String, rank: Int, console: Bool) throws {
    self.console = console
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let digits = String(rank)
    let path = folder + "/rank-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".jsonl"
    if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    guard let handle = FileHandle(forUpdatingAtPath: path) else {
      throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: path])
    }
    file = handle
    encoder.outputFormatting = [.sortedKeys]
    // JSON has no infinity; a diverged loss must be readable all the same.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let end = try file.seekToEnd()
    if end > 0 {
      try file.seek(toOffset: end - 1)
      if try file.read(upToCount: 1) != Data("\n".utf8) { try file.write(contentsOf: Data("\n".utf8)) }
      try file.seekToEnd()
    }
  }

  /// Starts (or goes on with) a stage of `total` steps.
  public func begin(_ stage: String, step: Int, of total: Int) {
    self.stage = stage
    self.total = total
    remaining = RemainingTime()
    remaining.observe(done: step)
  }

  public func record(
    step: Int, loss: Double, parts: [(name: String, value: Double)], gradientNorm: Double, learningRate: Double,
    rate: (value: Double, unit: String), phases: PhaseTimer, skipped: Bool, toConsole: Bool
  ) throws {
    let record = StepRecord(
      time: Date().timeIntervalSince1970, stage: stage, step: step, loss: loss,
      parts: Dictionary(uniqueKeysWithValues: parts.map { ($0.name, $0.value) }), gradientNorm: gradientNorm,
      learningRate: learningRate, rate: rate.value, unit: rate.unit + "/s",
      phases: Dictionary(uniqueKeysWithValues: phases.seconds.map { ($0.key.rawValue, $0.value) }), seconds: phases.total,
      memory: residentBytes(), skipped: skipped)
    try append(record)
    remaining.observe(done: step)
    guard toConsole || skipped else { return }
    var line = "\(stage) \(step)/\(total)  loss \(short(loss))"
    if parts.count > 1 { line += " (" + parts.map { "\($0.name) \(short($0.value))" }.joined(separator: ", ") + ")" }
    line += "  norm \(short(gradientNorm))  lr \(short(learningRate))  \(short(rate.value)) \(rate.unit)/s"
    if skipped { line += "  SKIPPED: not finite" }
    if let left = remaining.text(total: total) { line += "  \(left) left" }
    say(line)
  }

  /// Logs named values that belong to a step, such as a validation.
  public func event(_ event: String, step: Int, _ values: [(name: String, value: Double)]) throws {
    try append(
      EventRecord(
        time: Date().timeIntervalSince1970, stage: stage, step: step, event: event,
        values: Dictionary(uniqueKeysWithValues: values.map { ($0.name, $0.value) })))
    say("\(stage) \(step)  \(event): " + values.map { "\($0.name) \(short($0.value))" }.joined(separator: ", "))
  }

  /// A line on the coordinator's console.
  public func say(_ line: String) {
    guard console else { return }
    // A console that is gone, or that nobody reads for a second, does not hold a training up: the log file has it all.
    var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
    guard poll(&output, 1, 1000) == 1, output.revents & Int16(POLLOUT) != 0 else { return }
    try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
  }

  private func append(_ record: some Encodable) throws {
    try file.write(contentsOf: encoder.encode(record) + Data("\n".utf8))
  }
}

/// Four significant digits, without an exponent where people can do without.
public func short(_ value: Double) -> String {
  guard value.isFinite else { return "\(value)" }
  let size = abs(value)
  if size != 0 && size < 1e-3 { return String(format: "%.2e", value) }
  if size >= 1000 { return String(format: "%.0f", value) }
  return String(format: size >= 100 ? "%.1f" : size >= 10 ? "%.2f" : "%.4f", value)
}

/// How long the rest of some work takes, from the pace of its recent part.
public struct RemainingTime {
  private var marks: [(time: ContinuousClock.Instant, done: Int)] = []

  public init() {}

  public mutating func observe(done: Int) {
    marks.append((.now, done))
    // The pace of the last 200 observations: long enough to be steady, short enough to follow changes.
    if marks.count > 200 { marks.removeFirst(marks.count - 200) }
  }

  /// "3m12s", or nil as long as there is no pace.
  public func text(total: Int) -> String? {
    guard let first = marks.first, let last = marks.last, last.done > first.done else { return nil }
    let pace = (last.time - first.time) / .seconds(1) / Double(last.done - first.done)
    return Self.text(seconds: pace * Double(max(0, total - last.done)))
  }

  public static func text(seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole)s" }
    if whole < 3600 { return "\(whole / 60)m\(String(format: "%02d", whole % 60))s" }
    if whole < 86_400 { return "\(whole / 3600)h\(String(format: "%02d", whole % 3600 / 60))m" }
    return "\(whole / 86_400)d\(whole % 86_400 / 3600)h"
  }
}
