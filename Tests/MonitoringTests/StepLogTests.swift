import Foundation
import TestSupport
import Testing

@testable import Monitoring

/// The files of steps and of ranks, as a job leaves them that is killed and resumes.
@Suite struct StepLogTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "steps-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func job(_ ranks: Int) -> Job { Job(hostNames: (0..<ranks).map { "host\($0 / 4)" }, precision: "fp32") }

  private func begin(_ sink: StepLogSink, at step: Int, ranks: Int = 8) throws {
    let facts = TrainingFacts(
      job: job(ranks), steps: 1000, logEvery: 10, batch: 64, parameters: 1_234_567, unit: "tokens", unitsPerSample: 1280,
      flopsPerSample: 2e9,
      gemmPeak: 1.5e11)
    try sink.record(Event(time: 1_764_000_000.1234, stage: "transformer", step: step, .trainingBegun(facts)))
  }

  private func steps(_ sink: StepLogSink, _ range: ClosedRange<Int>, ranks: Int = 8, logEvery: Int = 10) throws {
    for step in range {
      let metrics = StepMetrics(
        loss: 5 + 1 / Double(step), losses: [Metric("text", 4.123456789), Metric("image", 5.987654321)],
        gradientNorm: 0.123456789, lr: 4.5e-4, throughput: Metric("tokensPerSecond", 160_123.456), seconds: 0.512345678,
        isSkipped: step % 50 == 0, slowest: step % logEvery == 0 ? SlowestRank(rank: 3, ratio: 1.23456) : nil)
      try sink.record(Event(time: 1_764_000_000 + Double(step) / 3, stage: "transformer", step: step, .step(metrics)))
      if step % logEvery > 0 { continue }
      let usages = (0..<ranks).map { rank in
        var seconds = PhaseSeconds()
        for phase in Phase.ofStep { seconds[phase] = 0.0123456 * Double(rank + 1) }
        seconds[.forward] = Double(step)
        return RankUsage(seconds: seconds, memory: 1_524_318_208)
      }
      try sink.record(
        Event(time: 1_764_000_000 + Double(step) / 3, stage: "transformer", step: step, .ranks(usages, over: logEvery)))
    }
  }

  private func path(_ kind: String) -> String { "\(folder)/transformer.\(kind).jsonl" }

  private func lines(_ kind: String) throws -> [[String: Any]] {
    try String(contentsOfFile: path(kind), encoding: .utf8).split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func numbers() throws -> [Int] {
    try lines("steps").filter { $0["event"] == nil }.map { try #require($0["step"] as? Int) }
  }

  @Test func aResumedTrainingHasEveryStepOnce() throws {
    let first = StepLogSink(folder: folder)
    try begin(first, at: 0)
    // More than one piece of the file is read from its end.
    try steps(first, 1...900)
    try first.record(Event(time: 1, stage: "transformer", step: 900, .validation([Metric("loss", 4.5)])))
    // Killed while it wrote a line.
    let handle = try #require(FileHandle(forWritingAtPath: path("steps")))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(#"{"gradientNorm":0.1,"lo"#.utf8))
    try handle.close()

    let second = StepLogSink(folder: folder)
    try begin(second, at: 400)
    #expect(try numbers() == Array(1...400))
    try steps(second, 401...450)
    #expect(try numbers() == Array(1...450))
    let all = try lines("steps")
    #expect(all.filter { $0["event"] as? String == "begin" }.map { $0["step"] as? Int } == [0, 400])
    #expect(!all.contains { $0["event"] as? String == "validation" })
    #expect(try lines("ranks").allSatisfy { ($0["step"] as! Int) <= 450 })
    #expect(all[50]["skipped"] as? Bool == true && all[51]["skipped"] == nil)

    // The same moment again: each start has its line. From the beginning: nothing is left.
    try begin(StepLogSink(folder: folder), at: 450)
    #expect(try numbers() == Array(1...450))
    try begin(StepLogSink(folder: folder), at: 0)
    #expect(try lines("steps").count == 1 && lines("ranks").isEmpty)
  }

  @Test func eightRanksTakeAtMost400BytesPerStep() throws {
    let sink = StepLogSink(folder: folder)
    try begin(sink, at: 0)
    try steps(sink, 1...1000)
    let bytes = try ["steps", "ranks"].map { try Data(contentsOf: URL(fileURLWithPath: path($0))).count }
    #expect(bytes[0] + bytes[1] < 400 * 1000, "\(bytes) bytes of 1000 steps")
    #expect(try lines("ranks").count == 100)
    let line = try lines("ranks")[7]
    #expect(line["over"] as? Int == 10)
    let phases = try #require(line["phases"] as? [String: [Double]])
    #expect(phases["data"]?.count == 8 && abs(phases["data"]![7] - 0.0988) < 1e-4)
    #expect(Set(phases.keys) == Set(Phase.ofStep.map(\.name)))
  }

  /// Lines of many ranks are means over more steps, so that a million steps of 1,024 ranks take less than 1 GB.
  @Test func manyRanksHaveFewerLines() throws {
    let sink = StepLogSink(folder: folder)
    try begin(sink, at: 0, ranks: 1024)
    try steps(sink, 1...3000, ranks: 1024, logEvery: 20)
    let bytes = try ["steps", "ranks"].map { try Data(contentsOf: URL(fileURLWithPath: path($0))).count }
    #expect(bytes[0] + bytes[1] < 400 * 3000, "\(bytes) bytes of 3000 steps")
    let all = try lines("ranks")
    #expect(all.count > 3 && all.count < 20)
    // Nothing is left out: each line is the mean of all steps since the one before.
    var last = 0
    for line in all {
      let (step, over) = (line["step"] as! Int, line["over"] as! Int)
      #expect(step - last == over)
      let logged = stride(from: last + 20, through: step, by: 20)
      let mean = Double(logged.reduce(0, +)) / Double(Array(logged).count)
      let forward = (line["phases"] as! [String: [Double]])["forward"]!
      #expect(abs(forward[1023] - mean) < 0.006 * mean)
      last = step
    }
  }

  @Test func numbersThatAreNotFiniteAreStrings() throws {
    let sink = StepLogSink(folder: folder)
    try begin(sink, at: 0)
    let metrics = StepMetrics(
      loss: .nan, losses: [Metric("text", .infinity)], gradientNorm: -.infinity, lr: 1, throughput: Metric("tokensPerSecond", 1),
      seconds: 1, isSkipped: true)
    try sink.record(Event(time: 1, stage: "transformer", step: 1, .step(metrics)))
    let line = try lines("steps")[1]
    #expect(line["loss"] as? String == "nan" && (line["losses"] as? [String: String])?["text"] == "inf")
    #expect(line["gradientNorm"] as? String == "-inf")
  }

  @Test func theSlowestRankIsTheOneThatOthersWaitFor() {
    func usage(_ busy: Double, wait: Double) -> RankUsage {
      var seconds = PhaseSeconds()
      (seconds[.forward], seconds[.wait]) = (busy, wait)
      return RankUsage(seconds: seconds, memory: 0)
    }
    #expect(SlowestRank([usage(1, wait: 0)]) == nil)
    #expect(SlowestRank([usage(1, wait: 2), usage(3, wait: 0)]) == SlowestRank(rank: 1, ratio: 3))
    let four = SlowestRank([usage(1, wait: 1), usage(1, wait: 1), usage(1.5, wait: 0), usage(1, wait: 1)])
    #expect(four == SlowestRank(rank: 2, ratio: 1.5))
  }
}
