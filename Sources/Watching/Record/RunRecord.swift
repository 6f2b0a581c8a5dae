import Files
import Foundation

/// All that a report shows of a run, read once from its files, in bounded memory.
package struct RunRecord: Sendable {
  /// A sheet of images that a model generated, `samples/STAGE-STEP.png`.
  package struct SampleSheet: Sendable {
    package var stage: String
    package var step: Int
    package var path: String
  }

  /// A file of `model`.
  package struct ModelFile: Sendable {
    package var name: String
    package var byteCount: Int
  }

  package let folder: String
  /// How it is doing, and its ranks.
  package let observation: Observation
  /// In the order in which they were trained.
  package private(set) var stages: [StageRecord] = []
  package private(set) var events = RunEvents()
  /// Nil where it cannot be read.
  package private(set) var configuration: RunConfiguration?
  package private(set) var products: [ProductRecord] = []
  package private(set) var modelFiles: [ModelFile] = []
  /// By stage and step.
  package private(set) var samples: [SampleSheet] = []
  /// Files that cannot be read, or only in part.
  package private(set) var problems: [String] = []

  /// Of the coordinator's log all is read; of another rank's, the newest is enough.
  private static let logTail = 1 << 18

  /// Reads the files of runs, which may be running.
  ///
  /// - Throws: `DalleError` of kind `noInput` if a folder is no run. Other files that cannot be read are `problems`.
  package static func read(_ folders: [String]) throws -> [RunRecord] {
    let observations = RunWatcher.observeOnce(try folders.map { try RunWatcher($0) })
    return zip(folders, observations).map { RunRecord($0, $1) }
  }

  private init(_ folder: String, _ observation: Observation) {
    (self.folder, self.observation) = (folder, observation)
    var problems: [String] = []
    func problem(_ text: String) { if !problems.contains(text) { problems.append(text) } }
    observation.problems.forEach(problem)
    readLogs(problem)
    stages = stageNames.map { StageRecord.read($0, in: folder, problem: problem) }.sorted {
      ($0.beginnings.first?.time ?? .infinity, $0.name) < ($1.beginnings.first?.time ?? .infinity, $1.name)
    }
    for stage in stages { for updates in stage.skipped { events.add(updates, stage: stage.name) } }
    do { configuration = try RunConfiguration("\(folder)/config.yaml") } catch {
      problem("\(error)".hasPrefix(folder) ? "\(error)" : "\(folder)/config.yaml: not valid YAML: \(error)")
    }
    products = ProductRecord.all(in: "\(folder)/products", problem: problem)
    modelFiles = names("model").sorted().compactMap { name in
      (try? fileSize("\(folder)/model/\(name)")).map { ModelFile(name: name, byteCount: $0) }
    }
    samples = names("samples").compactMap(sheet).sorted { ($0.stage, $0.step) < ($1.stage, $1.step) }
    self.problems = problems
  }

  private func names(_ part: String) -> [String] { (try? namesInFolder("\(folder)/\(part)")) ?? [] }

  private var stageNames: [String] {
    Set(names("logs").filter { $0.hasSuffix(".steps.jsonl") }.map { String($0.dropLast(12)) }).sorted()
  }

  private func sheet(_ name: String) -> SampleSheet? {
    let parts = name.dropLast(4).split(separator: "-")
    guard name.hasSuffix(".png"), parts.count > 1, let step = Int(parts[parts.count - 1]) else { return nil }
    return SampleSheet(
      stage: parts.dropLast().joined(separator: "-"), step: step, path: "\(folder)/samples/\(name)")
  }

  private mutating func readLogs(_ problem: (String) -> Void) {
    var events = RunEvents()
    let ranks = names("logs").compactMap { name in
      name.hasPrefix("rank-") && name.hasSuffix(".jsonl") ? Int(name.dropFirst(5).dropLast(6)) : nil
    }
    for rank in ranks.sorted(by: >) {
      let path = "\(folder)/logs/rank-\(zeroPadded(rank, digits: 5)).jsonl"
      let before = events.damagedCount
      do {
        var lines = LineFollower(path, tail: rank == 0 ? .max : Self.logTail)
        _ = try lines.read(restart: {}, line: { events.add(line: $0, rank: rank) })
      } catch { problem("\(error)") }
      let damaged = events.damagedCount - before
      if damaged > 0 { problem("\(path): \(damaged) \(damaged == 1 ? "line" : "lines") cannot be parsed; the others are shown") }
    }
    if ranks.isEmpty { problem("\(folder)/logs: there is no log of a rank; events are not shown") }
    let verdict = observation.verdict
    events.close(verdict.state == .failed ? verdict.reason : nil)
    self.events = events
  }
}
