import Foundation
import Testing

@testable import Watching

/// Runs in every state, and what the monitor makes of them.
@Suite struct VerdictTests {
  @Test func runs() throws {
    let run = try RunMaker.running()
    let observation = try run.observe()
    #expect(observation.verdict == Verdict(.running))
    #expect(observation.training?.last?.step == 500)
    #expect(observation.ranks.count == 8 && observation.ranks.allSatisfy { $0.mark == nil })
    // 500 steps of half a second.
    #expect(abs(try #require(observation.training?.secondsLeft) - 250) < 1)
  }

  @Test func isFinished() throws {
    let run = try RunMaker.running()
    try run.end(code: 0)
    #expect(try run.observe().verdict == Verdict(.finished))
    for rank in 0..<8 { try run.status(rank, age: 100_000) }
    let later = try run.observe()
    #expect(later.verdict.state == .finished && later.ranks.allSatisfy { $0.mark == nil })
  }

  @Test func isStoppedOnRequest() throws {
    let run = try RunMaker.running()
    try run.end(code: 79, text: "stopped after step 500")
    #expect(try run.observe().verdict == Verdict(.stopped, "stopped after step 500"))
  }

  @Test func hasFailed() throws {
    let run = try RunMaker.running()
    try run.append(
      [run.event("ended", time: RunMaker.now(), "\"code\":74,\"text\":\"a disk is full\"")], to: "rank-00003.jsonl")
    let verdict = try run.observe().verdict
    #expect(verdict == Verdict(.failed, "exit code 74: a disk is full") && verdict.state.exitCode == 12)
  }

  @Test func wasKilled() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, age: 1000) }
    let observation = try run.observe()
    #expect(observation.verdict.state == .failed)
    #expect(observation.verdict.reason.hasPrefix("killed: no rank has been heard from for 16m"))
    #expect(observation.ranks.allSatisfy { $0.mark == .silent })
  }

  /// Nobody knows yet whether it was killed, suspended, or cut off.
  @Test func isSilent() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, age: 60) }
    #expect(try run.observe().verdict.state == .stalled)
  }

  /// On the machine of the ranks it is known at once.
  @Test func processesThatAreGoneWereKilled() throws {
    let run = try RunMaker(ranks: 1, hosts: 1, start: RunMaker.now() - 100)
    try run.begin()
    // This process began before the run's `started`, as its own would have; no process has the other number.
    for (process, state) in [(Int(getpid()), Verdict.State.stalled), (1 << 30, .failed)] {
      run.start = RunMaker.now() + 10
      try run.status(0, age: 60, host: LocalProcess.host, process: process)
      run.start = RunMaker.now() - 100
      #expect(try run.observe().verdict.state == state)
    }
  }

  @Test func hangs() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, quiet: 400, phase: rank == 5 ? "backward" : "wait") }
    let verdict = try run.observe().verdict
    #expect(verdict.state == .stalled && verdict.state.exitCode == 11)
    #expect(verdict.reason == "no rank has advanced for 6m41s: rank 5 (node1, process 1234) in `backward` for 6m41s")
  }

  @Test func theLimitIsTheRuns() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, quiet: 400) }
    for (text, state) in [("1000", Verdict.State.running), ("0", .running), ("200", .stalled), ("[", .stalled)] {
      try Data("seed: 1\nmonitoring:\n  hangAfter: \(text)\n".utf8).write(to: URL(fileURLWithPath: "\(run.folder)/config.yaml"))
      #expect(try run.observe().verdict.state == state, "\(text)")
    }
  }

  /// A rank that is stopped makes the others wait; the silent one is named.
  @Test func namesTheRankThatIsStopped() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, age: rank == 3 ? 400 : 1, quiet: 400, phase: "wait") }
    let observation = try run.observe()
    #expect(observation.verdict.reason.hasSuffix("rank 3 (node0, process 1234) silent for 6m40s"))
    #expect(observation.ranks.map(\.mark) == [nil, nil, nil, .silent, nil, nil, nil, nil])
  }

  @Test func oneRankThatAdvancesIsEnough() throws {
    let run = try RunMaker.running()
    for rank in 0..<8 { try run.status(rank, quiet: rank == 0 ? 1 : 4000, phase: rank == 0 ? "validate" : "wait") }
    #expect(try run.observe().verdict.state == .running)
  }

  /// Hosts' clocks may be wrong: a status that changes under our eyes is fresh, one that does not gets old.
  @Test(arguments: [-7200.0, 7200]) func aClockThatIsWrongIsNoDeath(skew: Double) throws {
    let start = ContinuousClock.now
    let clock = RunMaker.now()
    var job = JobStart()
    (job.time, job.ranks) = (clock - 100, 1)
    var status = RankReport()
    var heartbeats = Heartbeats(folder: "")
    status.time = clock + skew
    heartbeats.add(status, at: start)
    #expect(heartbeats.areUncertain(job, clock: clock))
    status.time += 5
    heartbeats.add(status, at: start + .seconds(6))
    #expect(!heartbeats.areUncertain(job, clock: clock))
    #expect(heartbeats.ofJob(job, now: start + .seconds(7), clock: clock + 7).map(\.age) == [1])
    #expect(heartbeats.ofJob(job, now: start + .seconds(36), clock: clock + 36).map(\.age) == [30])
  }

  /// For as long as a heartbeat takes, a run that seems dead is looked at.
  @Test func looksTwiceBeforeItDeclaresADeath() throws {
    let run = try RunMaker.running(ranks: 1, hosts: 1)
    try run.status(0, age: 1000)
    let start = ContinuousClock.now
    #expect(try RunWatcher(run.folder).observeOnce().verdict.state == .failed)
    #expect(ContinuousClock.now - start > .seconds(5))
  }

  @Test func aResumedJobIsNotTheOneThatEnded() throws {
    let run = try RunMaker.running()
    try run.append([run.event("ended", "\"code\":79,\"text\":\"\"")], to: "rank-00000.jsonl")
    try run.append([run.event("warning", "\"text\":\"of the first job\"")], to: "rank-00000.jsonl")
    // Written before the second job began: of the first one.
    for rank in 0..<8 { try run.status(rank, age: 100) }
    run.start = RunMaker.now() - 50
    try run.append([run.started(), run.event("warning", "\"text\":\"of the second\"")], to: "rank-00000.jsonl")
    try run.status(0)
    let observation = try run.observe()
    #expect(observation.verdict.state == .running)
    #expect(observation.ranks.map { $0.heard == nil } == [false] + Array(repeating: true, count: 7))
    #expect(observation.warnings.map(\.text) == ["of the second"])
  }

  @Test func aRunWithoutHeartbeatsIsJudgedByItsLogs() throws {
    let run = try RunMaker(start: RunMaker.now() - 1000)
    try run.begin()
    #expect(try run.observe().verdict.state == .failed)
    try run.append([run.event("message", time: RunMaker.now(), "\"text\":\"x\"")], to: "rank-00000.jsonl")
    #expect(try run.observe().verdict.state == .running)
  }

  @Test func exitCodes() {
    let states: [Verdict.State] = [.finished, .running, .stalled, .failed, .stopped]
    #expect(states.map(\.exitCode) == [0, 10, 11, 12, 13])
  }
}
