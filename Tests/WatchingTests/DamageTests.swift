import Foundation
import TestSupport
import Testing

@testable import Reports
@testable import Watching

/// Whatever a file has in it, the monitor reads on and shows something.
@Suite struct DamageTests {
  /// The same numbers in every test.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64 = 1

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
  }

  private static let pieces = [
    "1e308", "-1e308", "1e999", "-1", "-", "9223372036854775807", "1e13", "\"nan\"", "\"inf\"", "null", "true", "[", "]", "{", "}",
    ",",
    ":",
    "\"", "\\", "\\u12", "\0", "\u{1B}[2J", "日", "[]", "{}", "0x10", ".", "e",
  ]

  /// A line with some of its bytes gone, replaced, or others between them.
  private func damaged(_ line: String, _ generator: inout Generator) -> Data {
    var bytes = Array(line.utf8)
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      let start = Int.random(in: 0...bytes.count, using: &generator)
      let end = min(bytes.count, start + Int.random(in: 0...12, using: &generator))
      bytes.replaceSubrange(start..<end, with: Self.pieces.randomElement(using: &generator)!.utf8)
    }
    // A value that is another one, in a line that is whole.
    if Bool.random(using: &generator) {
      let values = line.split(separator: ",")
      let index = Int.random(in: 0..<values.count, using: &generator)
      let key = values[index].split(separator: ":")[0]
      let value = key + ":" + Self.pieces.randomElement(using: &generator)!
      bytes = Array((values[..<index] + [Substring(value)] + values[(index + 1)...]).joined(separator: ",").utf8)
    }
    return Data(bytes)
  }

  @Test func anyBytesAreRead() throws {
    var generator = Generator()
    let run = try RunMaker.running(steps: 3)
    let paper = Paper(columns: 80, rows: 24)
    let steps = [
      run.beginning(), run.step(3), run.step(4), run.validation(4, text: 4), "{\"step\":5,\"slowest\":{\"rank\":5,\"ratio\":1.3}}",
    ]
    let events = [run.started(), run.event("ended", "\"code\":3,\"text\":\"x\""), run.event("warning", "\"text\":\"x\"")]
    for round in 0..<300 {
      var history = TrainingHistory()
      var log = RankLog()
      var observation = Observation(folder: "a", time: run.start)
      var times: RankTimes?
      var heartbeats = Heartbeats(folder: "")
      for _ in 0..<20 {
        damaged(steps.randomElement(using: &generator)!, &generator).withUnsafeBytes { history.add(line: $0) }
        damaged(events.randomElement(using: &generator)!, &generator).withUnsafeBytes { log.add(line: $0, rank: 0) }
        damaged(run.times(step: 1), &generator).withUnsafeBytes { times = RankTimes(line: $0) ?? times }
        try run.status(1)
        let text = try String(contentsOfFile: "\(run.folder)/status/rank-00001.json", encoding: .utf8)
        if let report = RankReport([UInt8](damaged(text, &generator))), report.rank < 1000 { heartbeats.add(report, at: .now) }
      }
      observation.ranks = RankViews.make(
        beats: heartbeats.ofJob(nil, now: .now, clock: run.start), times: times, beginning: nil, start: nil, jobAge: 100,
        isOver: false, host: LocalProcess.host)
      (observation.training, observation.trainedStage, observation.stage) = (history, "a", "a")
      (observation.warnings, observation.start) = (log.warnings, log.started)
      observation.verdict = .decide(ranks: observation.ranks, ended: log.ended, hangAfter: 300, lineAge: 1)
      for lines in [Page(observation, body: .ranks, offset: round, on: paper).lines, TextReport.lines(observation, on: paper)] {
        #expect(lines.allSatisfy { $0.width <= 80 && !$0.text(on: paper).contains("\u{1B}") })
      }
      #expect(throws: Never.self) { try RunJSON(observation).line }
    }
  }

  @Test func anyBytesMakeAPage() throws {
    var generator = Generator()
    for _ in 0..<40 {
      let run = try RunMaker(ranks: 4, hosts: 1)
      let steps = [run.beginning(), run.step(3), run.step(40), run.step(4), run.validation(4, text: 4)]
      let events = [
        run.started(), run.event("ended", "\"code\":3,\"text\":\"x\""), run.event("warning", "\"text\":\"x\""),
        run.event("checkpoint", "\"stage\":\"a\",\"step\":4"),
      ]
      for _ in 0..<30 {
        for (lines, name) in [
          (steps, "a.steps.jsonl"), ([run.times(step: 1), run.times(step: 30)], "a.ranks.jsonl"), (events, "rank-00000.jsonl"),
        ] {
          let line = String(decoding: damaged(lines.randomElement(using: &generator)!, &generator), as: UTF8.self)
          try run.append([line], to: name)
        }
      }
      #expect(throws: Never.self) { try HTMLDocument(RunsPage(try RunRecord.read([run.folder])).html) }
    }
  }
}
