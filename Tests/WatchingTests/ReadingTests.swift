import Errors
import Foundation
import Testing

@testable import Reports
@testable import Watching

/// Files that grow, are cut, are damaged, and are large.
@Suite struct ReadingTests {
  @Test func followsAFileThatGrows() throws {
    let run = try RunMaker.running(steps: 10)
    let watcher = try RunWatcher(run.folder)
    #expect(watcher.observe().training?.last?.step == 10)
    try run.steps(11...20)
    let observation = watcher.observe()
    #expect(observation.training?.last?.step == 20 && observation.training?.loss.points.count == 20)
  }

  /// As a job does that resumes from an earlier checkpoint; it may have got further than before when it is looked at again.
  @Test(arguments: [15, 40]) func followsAFileThatWasCut(last: Int) throws {
    let run = try RunMaker.running(steps: 30)
    try run.append([run.step(31, loss: "\"nan\"", skipped: true)], to: "transformer.steps.jsonl")
    let watcher = try RunWatcher(run.folder)
    #expect(watcher.observe().training?.skippedCount == 1)
    let path = "\(run.folder)/logs/transformer.steps.jsonl"
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").prefix(11)
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.truncate(atOffset: UInt64(lines.reduce(0) { $0 + $1.utf8.count + 1 }))
    run.start += 1000
    try run.append([run.beginning(step: 10)], to: "transformer.steps.jsonl")
    try run.steps(11...last)
    let training = try #require(watcher.observe().training)
    #expect(training.last?.step == last && training.skippedCount == 0 && training.beginning?.step == 10)
    #expect(training.loss.points.map(\.firstStep) == Array(1...last))
  }

  @Test func followsAFileThatWasReplaced() throws {
    let run = try RunMaker.running(steps: 30)
    let watcher = try RunWatcher(run.folder)
    _ = watcher.observe()
    let path = "\(run.folder)/logs/transformer.steps.jsonl"
    try FileManager.default.removeItem(atPath: path)
    run.start += 1
    try run.steps(1...35)
    #expect(watcher.observe().training?.loss.points.count == 35)
  }

  @Test func aLastLineThatIsNotFinishedWaits() throws {
    let run = try RunMaker.running(steps: 10)
    let whole = run.step(11)
    let watcher = try RunWatcher(run.folder)
    try run.append([String(whole.prefix(60))], to: "transformer.steps.jsonl", end: "")
    let before = try #require(watcher.observe().training)
    #expect(before.last?.step == 10 && before.damagedCount == 0)
    try run.append([String(whole.dropFirst(60))], to: "transformer.steps.jsonl")
    #expect(watcher.observe().training?.last?.step == 11)
  }

  /// The next start closes a line that a kill cut off.
  @Test(arguments: [1, 20, 60, 100, 150]) func passesOverDamagedLines(length: Int) throws {
    let run = try RunMaker.running(steps: 10)
    try run.append([String(run.step(11).prefix(length)), run.step(11)], to: "transformer.steps.jsonl")
    try run.append(["\0\0\0\0", "no JSON", "[1,2]", "{}}"], to: "transformer.steps.jsonl")
    let training = try #require(try run.observe().training)
    #expect(training.last?.step == 11 && training.damagedCount == 5 && training.loss.points.count == 11)
  }

  @Test func aStatusFileThatIsBeingWrittenKeepsItsContents() throws {
    let run = try RunMaker.running()
    let watcher = try RunWatcher(run.folder)
    #expect(watcher.observe().ranks[3].step == 500)
    for text in ["", "{\"rank\":3,\"host\":\"node0\",\"proc", "{\"rank\":3,\"time\":17"] {
      try run.write(text, status: 3)
      let rank = watcher.observe().ranks[3]
      #expect(rank.step == 500 && rank.mark == nil)
    }
    let fresh = try run.observe().ranks[3]
    #expect(fresh.heard == nil && fresh.mark == .silent && fresh.host == "node0")
  }

  @Test func numbersThatAreNotFinite() throws {
    let run = try RunMaker.running(steps: 10)
    try run.append(
      [run.step(11, loss: "\"nan\"", skipped: true), run.step(12, loss: "\"inf\"", skipped: true), run.step(13)],
      to: "transformer.steps.jsonl")
    let training = try #require(try run.observe().training)
    #expect(training.skippedCount == 2 && training.lastSkipped == 12)
    #expect(training.loss.points.map(\.firstStep) == Array(1...10) + [13])
    #expect(training.recent.map(\.loss)[10].isNaN && training.recent.map(\.loss)[11] == .infinity)
  }

  @Test func unknownKeysAndEvents() throws {
    let run = try RunMaker.running(steps: 10)
    try run.append(
      [
        "{\"new\":{\"a\":[1,{\"b\":\"}\\\"\"}],\"c\":null},\"step\":11,\"loss\":5.5,\"lr\":\"high\",\"time\":1e9}",
        "{\"event\":\"new\",\"step\":99}",
      ], to: "transformer.steps.jsonl")
    let training = try #require(try run.observe().training)
    #expect(training.last?.step == 11 && training.last?.loss == 5.5 && training.damagedCount == 0)
    #expect(training.last?.lr.isNaN == true)
  }

  /// Ranks do something else by now, and may be fewer.
  @Test func anEarlierStageTellsNothingOfRanks() throws {
    let run = try RunMaker.running(slow: 5)
    #expect(try run.observe().ranks[5].mark == .slow)
    let next = run.started().replacingOccurrences(of: "\"ranks\":8", with: "\"ranks\":6")
    try run.append([next, run.event("stageBegun", "\"stage\":\"export\"")], to: "rank-00000.jsonl")
    let observation = try run.observe()
    #expect(observation.stage == "export" && observation.trainedStage == "transformer")
    #expect(observation.ranks.count == 6 && observation.ranks.allSatisfy { $0.mark == nil && $0.phases.isEmpty })
  }

  @Test func newestCheckpointIsACompleteOne() throws {
    let run = try RunMaker.running()
    try run.checkpoint(step: 200)
    try run.checkpoint(step: 400, byteCount: 5000)
    try run.checkpoint(step: 500, isComplete: false)
    let observation = try run.observe()
    #expect(observation.checkpoint?.step == 400 && observation.checkpoint?.byteCount == 5002)
    #expect(try #require(observation.freeBytes) > 0)
  }

  @Test func warningsOfAllRanks() throws {
    let run = try RunMaker.running()
    for index in 0..<1000 {
      try run.append([run.event("warning", time: run.start + Double(index), "\"text\":\"w\(index)\"")], to: "rank-00002.jsonl")
    }
    try run.append([run.event("warning", "\"text\":\"ä \\u00e4 \\\"\"")], to: "rank-00000.jsonl")
    try run.append([run.event("warning", time: RunMaker.now(), "\"text\":\"ä \\u00e4 \\\"\"")], to: "rank-00000.jsonl")
    let warnings = try run.observe().warnings
    #expect(warnings.count == RankLog.warningCount && warnings.last?.text == "ä ä \"" && warnings.dropLast().last?.text == "w999")
  }

  @Test func foldersThatAreNoRuns() throws {
    let run = try RunMaker.running()
    let folder = (run.folder as NSString).deletingLastPathComponent + "/runs-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: "\(folder)/other", withIntermediateDirectories: true)
    for path in ["\(folder)/missing", "\(folder)/other", folder, "\(run.folder)/logs/rank-00000.jsonl"] {
      let error = #expect(throws: DalleError.self) { try RunWatcher(path) }
      #expect(error?.kind == .noInput && error?.description.hasPrefix(path) == true)
    }
    #expect(throws: DalleError.self) { try RunFinder.newest(in: folder) }
    try FileManager.default.createSymbolicLink(atPath: "\(folder)/mine", withDestinationPath: run.folder)
    #expect(try RunFinder.newest(in: folder) == "\(folder)/mine")
    #expect(#expect(throws: DalleError.self) { try RunWatcher(folder) }?.description.contains("such as \(folder)/mine") == true)
  }

  @Test func aMillionStepsInSecondsAndFewPoints() throws {
    let run = try RunMaker(ranks: 1, hosts: 1)
    try run.append([run.beginning(steps: 1_000_000)], to: "transformer.steps.jsonl")
    for first in stride(from: 1, through: 1_000_000, by: 10_000) { try run.steps(first...first + 9_999) }
    let start = ContinuousClock.now
    let training = try #require(try run.observe().training)
    // It takes two; other tests run beside this one.
    #expect(ContinuousClock.now - start < .seconds(30))
    #expect(training.last?.step == 1_000_000 && training.recent.count == TrainingHistory.recentCount)
    let points = training.loss.points
    #expect(points.count <= ThinnedSeries.limit && points.count > ThinnedSeries.limit / 4)
    #expect(points.reduce(0) { $0 + $1.count } == 1_000_000 && points.first?.firstStep == 1 && points.last?.lastStep == 1_000_000)
    let page = RunsPage(try RunRecord.read([run.folder])).html
    #expect(page.contains("1,000,000") && page.utf8.count < 500_000)
  }
}
