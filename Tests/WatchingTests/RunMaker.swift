import Foundation
import Testing

@testable import Watching

/// Makes the files that a run writes about itself (Docs/monitoring.md).
final class RunMaker {
  let folder: String
  let ranks: Int
  let hosts: [String]
  /// When the job began.
  var start: Double

  init(ranks: Int = 8, hosts: Int = 2, start: Double = now() - 3600) throws {
    folder = NSTemporaryDirectory() + "watched-\(UUID().uuidString)"
    (self.ranks, self.start) = (ranks, start)
    self.hosts = (0..<hosts).map { "node\($0)" }
    for name in ["logs", "status", "samples"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  static func now() -> Double { Date().timeIntervalSince1970 }

  func host(_ rank: Int) -> String { hosts[rank * hosts.count / ranks] }

  // MARK: Lines

  func beginning(step: Int = 0, steps: Int = 1000, time: Double? = nil) -> String {
    let names = hosts.map { "\"\($0)\"" }.joined(separator: ",")
    let indices = (0..<ranks).map { "\($0 * hosts.count / ranks)" }.joined(separator: ",")
    return """
      {"event":"begin","version":1,"time":\(time ?? start),"step":\(step),"steps":\(steps),"logEvery":10,"ranks":\(ranks),\
      "hosts":[\(names)],"hostOfRank":[\(indices)],"precision":"bf16","batch":64,"parameters":25000000,"unit":"tokens",\
      "unitsPerSample":1280,"flopsPerSample":192e9,"gemmPeak":80e12}
      """
  }

  /// A loss that falls from 9 to 5, half a second for each step.
  func step(_ step: Int, loss: String? = nil, skipped: Bool = false, time: Double? = nil) -> String {
    let value = 5 + 4 * exp(-Double(step) / 300)
    return """
      {"step":\(step),"time":\(time ?? start + Double(step) / 2),"loss":\(loss ?? "\(value)"),"losses":{"text":\(value - 1),\
      "image":\(value + 0.1)},"gradientNorm":0.512,"lr":0.00045,"seconds":0.5,"throughput":163840\(skipped ? ",\"skipped\":true" : "")}
      """
  }

  func validation(_ step: Int, text: Double) -> String {
    "{\"event\":\"validation\",\"step\":\(step),\"time\":\(start),\"values\":{\"text\":\(text),\"image\":5.7}}"
  }

  /// - Parameter slow: a rank that computes 1.5 times as long as the others.
  func times(step: Int, slow: Int? = nil) -> String {
    func list(_ value: (Int) -> Double) -> String { "[" + (0..<ranks).map { "\(value($0))" }.joined(separator: ",") + "]" }
    let phases = [
      ("data", list { _ in 0.001 }), ("forward", list { $0 == slow ? 0.15 : 0.1 }), ("backward", list { $0 == slow ? 0.3 : 0.2 }),
      ("wait", list { $0 == slow ? 0 : 0.15 }), ("communicate", list { _ in 0.02 }), ("update", list { _ in 0.03 }),
      ("checkpoint", list { _ in 0 }),
    ].map { "\"\($0)\":\($1)" }.joined(separator: ",")
    return "{\"step\":\(step),\"time\":\(start),\"over\":10,\"memory\":\(list { _ in 1.52e9 }),\"phases\":{\(phases)}}"
  }

  func started() -> String {
    "{\"event\":\"started\",\"time\":\(start),\"ranks\":\(ranks),\"hosts\":[],\"precision\":\"bf16\",\"text\":\"\"}"
  }

  func event(_ name: String, time: Double? = nil, _ rest: String = "") -> String {
    "{\"event\":\"\(name)\",\"time\":\(time ?? start + 1)\(rest.isEmpty ? "" : ",\(rest)")}"
  }

  // MARK: Files

  func append(_ lines: [String], to name: String, end: String = "\n") throws {
    let path = "\(folder)/logs/\(name)"
    if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data((lines.joined(separator: "\n") + end).utf8))
    try file.close()
  }

  /// What the coordinator writes when a job begins to train.
  func begin() throws {
    try append([started(), event("stageBegun", "\"stage\":\"transformer\"")], to: "rank-00000.jsonl")
    try append([beginning()], to: "transformer.steps.jsonl")
  }

  func steps(_ range: ClosedRange<Int>) throws { try append(range.map { step($0) }, to: "transformer.steps.jsonl") }

  func end(code: Int, text: String = "") throws {
    try append([event("ended", time: Self.now(), "\"code\":\(code),\"text\":\"\(text)\"")], to: "rank-00000.jsonl")
  }

  /// - Parameters:
  ///   - age: seconds since it was written.
  ///   - quiet: seconds, at that time, since progress.
  func status(
    _ rank: Int, age: Double = 1, quiet: Double = 0.1, phase: String = "forward", step: Int = 500, host: String? = nil,
    process: Int = 1234
  ) throws {
    let time = Self.now() - age
    try write(
      """
      {"rank":\(rank),"host":"\(host ?? self.host(rank))","process":\(process),"started":\(start - 5),"time":\(time),\
      "stage":"transformer","step":\(step),"phase":"\(phase)","since":\(time - quiet),"ticks":26,"idle":\(quiet),\
      "memory":1520000000,"ended":false}
      """, status: rank)
  }

  func write(_ text: String, status rank: Int) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/status/\(Self.name(rank)).json"))
  }

  static func name(_ rank: Int) -> String { "rank-\(String(format: "%05d", rank))" }

  func checkpoint(step: Int, byteCount: Int = 1000, isComplete: Bool = true) throws {
    let path = "\(folder)/transformer/checkpoints/step-\(String(format: "%08d", step))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data(count: byteCount).write(to: URL(fileURLWithPath: "\(path)/model.safetensors"))
    if isComplete { try Data("{}".utf8).write(to: URL(fileURLWithPath: "\(path)/MANIFEST.json")) }
  }

  /// A run of which all ranks report.
  static func running(ranks: Int = 8, hosts: Int = 2, steps: Int = 500, slow: Int? = nil) throws -> RunMaker {
    let run = try RunMaker(ranks: ranks, hosts: hosts)
    try run.begin()
    try run.steps(1...steps)
    try run.append([run.times(step: steps, slow: slow)], to: "transformer.ranks.jsonl")
    for rank in 0..<ranks { try run.status(rank, step: steps) }
    return run
  }

  /// What is known after one look.
  func observe() throws -> Observation {
    let watcher = try RunWatcher(folder)
    while true {
      let observation = watcher.observe()
      if observation.isComplete { return observation }
    }
  }
}
