import Errors
import Files
import Foundation

/// Reads a run's folder, again and again, and only what is new. It writes nothing and locks nothing.
package final class RunWatcher {
  private let folder: String
  private let host = LocalProcess.host
  private var heartbeats: Heartbeats
  private var stages: [String: StageFiles] = [:]
  private var logs: [Int: (lines: LineFollower, log: RankLog)] = [:]
  /// When the logs of all ranks were looked at last: on a network file system each look at a thousand files takes a second.
  private var allLogsRead: ContinuousClock.Instant?
  private var problems: [String] = []
  /// The limit of the job that began at a time.
  private var configured: (job: Double?, hangAfter: Double)?

  /// The files of a stage that trains.
  private struct StageFiles {
    var steps: LineFollower
    var history = TrainingHistory()
    var rankLines: LineFollower
    var times: RankTimes?
  }

  /// Bytes of one reading, after which there is something to show; the rest is read by the next.
  private static let portion = 64 << 20
  /// A line of 10,000 ranks has half a megabyte, and the newest one is enough.
  private static let rankTail = 4 << 20
  /// The coordinator's log has all events of the run. Of another rank's the newest warnings are enough.
  private static let logTail = 1 << 18
  /// Seconds between two writings of a status file.
  private static let heartbeat = 5.0

  package init(_ folder: String) throws {
    try RunFinder.check(folder)
    self.folder = folder
    heartbeats = Heartbeats(folder: "\(folder)/status")
  }

  /// Reads what is new, and tells what is known then.
  package func observe() -> Observation {
    problems = []
    var isComplete = true
    attempt { try heartbeats.update() }
    attempt {
      for name in try namesInFolder("\(folder)/logs") { find(name) }
    }
    for stage in stages.keys { isComplete = read(stage) && isComplete }
    isComplete = readLogs() && isComplete
    return observation(isComplete: isComplete)
  }

  /// Reads all, and tells what is known then. A job that does not seem to report is looked at twice, with a heartbeat between: the
  /// clocks of its hosts may be wrong.
  package func observeOnce() -> Observation { Self.observeOnce([self])[0] }

  /// The same for several runs, with one heartbeat between the looks at all of them.
  static func observeOnce(_ watchers: [RunWatcher]) -> [Observation] {
    let first = watchers.map { $0.observeAll() }
    let again = zip(watchers, first).map { $0.needsSecondLook(after: $1) }
    if again.contains(true) { Thread.sleep(forTimeInterval: heartbeat + 1) }
    return watchers.indices.map { again[$0] ? watchers[$0].observeAll() : first[$0] }
  }

  private func observeAll() -> Observation {
    while true {
      let observation = observe()
      if observation.isComplete { return observation }
    }
  }

  private func needsSecondLook(after first: Observation) -> Bool {
    let isOver = ![.running, .stalled].contains(first.verdict.state) && !first.ranks.contains { $0.mark == .silent }
    return !isOver && heartbeats.areUncertain(first.start, clock: first.time)
  }

  // MARK: Reading

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch { problems.append("\(error)") }
  }

  private func find(_ name: String) {
    if name.hasSuffix(".steps.jsonl") {
      let stage = String(name.dropLast(12))
      guard stages[stage] == nil else { return }
      stages[stage] = StageFiles(
        steps: LineFollower("\(folder)/logs/\(name)"),
        rankLines: LineFollower("\(folder)/logs/\(stage).ranks.jsonl", tail: Self.rankTail))
    } else if name.hasPrefix("rank-"), name.hasSuffix(".jsonl"), let rank = Int(name.dropFirst(5).dropLast(6)), logs[rank] == nil {
      logs[rank] = (LineFollower("\(folder)/logs/\(name)", tail: rank == 0 ? .max : Self.logTail), RankLog())
    }
  }

  private func read(_ stage: String) -> Bool {
    guard var files = stages.removeValue(forKey: stage) else { return true }
    defer { stages[stage] = files }
    var isComplete = true
    attempt {
      var history = files.history
      files.history = TrainingHistory()  // one owner, or each line would copy it
      defer { files.history = history }
      isComplete = try files.steps.read(limit: Self.portion, restart: { history = TrainingHistory() }) { history.add(line: $0) }
    }
    attempt {
      var times = files.times
      _ = try files.rankLines.read(restart: { times = nil }) { times = RankTimes(line: $0) ?? times }
      files.times = times
    }
    return isComplete
  }

  private func readLogs() -> Bool {
    let areAllDue = allLogsRead.map { ContinuousClock.now - $0 > .seconds(10) } ?? true
    if areAllDue { allLogsRead = .now }
    var isComplete = true
    for rank in logs.keys where rank == 0 || areAllDue {
      guard var (lines, log) = logs.removeValue(forKey: rank) else { continue }
      attempt {
        let isWhole = try lines.read(limit: Self.portion, restart: { log = RankLog() }) { log.add(line: $0, rank: rank) }
        isComplete = isComplete && isWhole
      }
      logs[rank] = (lines, log)
    }
    return isComplete
  }

  // MARK: Telling

  private func observation(isComplete: Bool) -> Observation {
    var result = Observation(folder: folder, time: Date().timeIntervalSince1970)
    let main = logs[0]?.log ?? RankLog()
    let start = main.started
    let beats = heartbeats.ofJob(start, now: .now, clock: result.time)
    // The stage that trained last, or the one that trains now.
    let newest = stages.max { ($0.value.history.beginning?.time ?? 0) < ($1.value.history.beginning?.time ?? 0) }
    let trained = main.stage.flatMap { stages[$0] == nil ? nil : $0 } ?? newest?.key
    let files = trained.flatMap { stages[$0] }
    let ended = end(main, beats)
    (result.isComplete, result.start, result.problems) = (isComplete, start, problems)
    (result.stage, result.isStageFinished) = (main.stage ?? newest?.key, main.isStageFinished)
    (result.trainedStage, result.training) = (trained, files?.history)
    // Another stage's times would tell nothing of what the ranks do now.
    let times = trained == result.stage ? files?.times : nil
    result.ranks = RankViews.make(
      beats: beats, times: times, beginning: files?.history.beginning, start: start,
      jobAge: start.map { result.time - $0.time } ?? .infinity, isOver: ended != nil, host: host)
    if let trained { result.checkpoint = NewestCheckpoint(in: "\(folder)/\(trained)/checkpoints") }
    result.freeBytes = NewestCheckpoint.freeBytes(folder)
    result.samples = main.samples.map(sampleFile)
    result.message = main.message
    let all = logs.values.flatMap(\.log.warnings).filter { $0.time >= start?.time ?? 0 }
    result.warnings = all.sorted { $0.time < $1.time }.suffix(RankLog.warningCount)
    result.skippedSamples = logs.values.reduce(0) { $0 + $1.log.skippedSamples }
    let lineTime = max(main.newestTime, files?.history.last?.time ?? 0)
    result.verdict = .decide(
      ranks: result.ranks, ended: ended, hangAfter: hangAfter(start), lineAge: result.time - lineTime)
    return result
  }

  /// The newest job's end, by the coordinator or by the rank that failed; none if another job has begun to report since.
  private func end(_ main: RankLog, _ beats: [Heartbeat]) -> JobEnd? {
    let start = main.started?.time ?? 0
    let failures = logs.values.compactMap(\.log.ended).filter { $0.code != 0 }.sorted { $0.time < $1.time }
    guard let end = ([main.ended].compactMap(\.self) + failures).first(where: { $0.time >= start }) else { return nil }
    let isNewer = beats.contains { $0.age <= RankView.silentAfter && $0.status.started > end.time && !$0.status.hasEnded }
    return isNewer ? nil : end
  }

  /// As configured, which may change from one job to the next.
  private func hangAfter(_ start: JobStart?) -> Double {
    if configured?.job != start?.time { configured = (start?.time, HangLimit.read("\(folder)/config.yaml")) }
    return configured?.hangAfter ?? HangLimit.byDefault
  }

  /// A path as seen from here: the job may have another working folder, or another name for the run's.
  private func sampleFile(_ path: String) -> String {
    let here = "\(folder)/samples/\((path as NSString).lastPathComponent)"
    return FileManager.default.fileExists(atPath: here) ? here : path
  }
}
