import Errors
import Foundation
import Testing

@testable import Monitoring

/// Status files as ranks of a job that hangs leave them.
@Suite final class HangWatchTests {
  private let folder = NSTemporaryDirectory() + "status-\(UUID().uuidString)"
  private var warnings: [String] = []
  private var ends: [DalleError] = []

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func watch(_ ranks: Int, hangAfter: Double = 300) -> HangWatch {
    HangWatch(
      folder: folder, ranks: ranks, hangAfter: hangAfter, abortAfter: 1800, warn: { self.warnings.append($0) },
      end: { self.ends.append($0) })
  }

  /// - Parameter age: seconds since the file was written.
  @discardableResult private func write(
    _ rank: Int, phase: String = "wait", idle: Double, age: Double = 0, stage: String? = "transformer", step: Int? = 41
  ) throws -> RankRecord {
    let record = RankRecord(
      rank: rank, host: "host\(rank / 2)", process: Int32(100 + rank), started: 1, time: 2, stage: stage, step: step, phase: phase,
      since: 1, ticks: 7, idle: idle, memory: 1, ended: false)
    let path = RankStatus.path(folder, rank)
    try JSONEncoder().encode(record).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1_764_000_000 - age)], ofItemAtPath: path)
    return record
  }

  @Test func aStoppedRankIsNamedOnceByTheFirstThatAnswers() throws {
    for rank in [0, 2, 3] { try write(rank, idle: 400) }
    try write(1, phase: "backward", idle: 3, age: 400)
    let own = try write(0, idle: 400)
    let (first, third) = (watch(4), watch(4))
    first.check(own)
    first.check(own)
    third.check(try write(2, idle: 400))
    #expect(warnings.count == 1 && ends.isEmpty)
    for part in [
      "for 6m40s no rank has made progress", "rank 1 (process 101 on host0) has not answered for 6m43s",
      "stage transformer, step 42, phase backward", "3 ranks wait for that", "the job ends in 23m20s (monitoring.abortAfter)",
    ] { #expect(warnings[0].contains(part), "\(warnings[0])") }
  }

  @Test func whereTheCoordinatorIsStoppedAnotherRankReports() throws {
    try write(0, phase: "data", idle: 0, age: 500)
    let own = try write(1, idle: 500)
    try write(2, idle: 500)
    watch(3).check(own)
    #expect(warnings.count == 1 && warnings[0].contains("rank 0 (process 100 on host0) has not answered"))
  }

  @Test func aRankThatIsStuckIsNamedWithItsPhase() throws {
    let own = try write(0, idle: 310)
    try write(1, phase: "data", idle: 320)
    watch(2).check(own)
    #expect(warnings.count == 1)
    #expect(warnings[0].contains("rank 1 (process 101 on host0) has been in stage transformer, step 42, phase data for 5m20s"))
  }

  @Test func whereAllWaitTheNetworkIsNamed() throws {
    let own = try write(0, idle: 310)
    try write(1, idle: 310)
    watch(2).check(own)
    #expect(warnings.count == 1 && warnings[0].contains("every rank has waited for others; look at the network"))
  }

  /// Its last record says that it waits, as all do: what is true shows when its file has become too old.
  @Test func aRankThatStopsWhileItWaitsIsNamedLater() throws {
    let watch = watch(2, hangAfter: 5)
    try write(1, idle: 1, age: 15)
    watch.check(try write(0, idle: 15))
    #expect(warnings.isEmpty)
    try write(1, idle: 1, age: 26)
    watch.check(try write(0, idle: 26))
    #expect(warnings.count == 1 && warnings[0].contains("rank 1 (process 101 on host0) has not answered"))
  }

  /// A coordinator that writes a checkpoint or generates samples for an hour makes progress.
  @Test func longWorkOfOneRankIsNoHang() throws {
    try write(0, phase: "sample", idle: 4)
    let own = try write(1, idle: 3000)
    watch(2).check(own)
    #expect(warnings.isEmpty && ends.isEmpty)
  }

  @Test func theJobEndsLater() throws {
    let own = try write(0, idle: 1801)
    try write(1, phase: "data", idle: 1801)
    watch(2).check(own)
    #expect(ends.count == 1 && ends[0].kind == .hung && ends[0].description.contains("rank 1 (process 101"))
  }

  @Test func aRankWithoutFileHasNotBegun() throws {
    let own = try write(0, idle: 301, stage: nil, step: nil)
    watch(2).check(own)
    #expect(warnings.count == 1 && warnings[0].contains("rank 1 has not begun"))
  }

  /// Nothing is known of the other ranks, and each that watches ends the job.
  @Test func aFileSystemThatDoesNotAnswerIsNamedByTheCoordinator() throws {
    var told: [String] = []
    var errors: [DalleError] = []
    func check(_ rank: Int, idle: Double, unanswered seconds: Double, times: Int = 1) throws {
      let own = try write(rank, phase: "checkpoint", idle: idle)
      let watch = watch(4)
      for _ in 0..<times { watch.check(own, unanswered: seconds, warn: { told.append($0) }, end: { errors.append($0) }) }
    }
    // The rank goes on, or its file has only just been asked for.
    try check(0, idle: 10, unanswered: 400)
    try check(0, idle: 400, unanswered: 10)
    try check(1, idle: 400, unanswered: 400)
    #expect(told.isEmpty && errors.isEmpty)
    try check(0, idle: 400, unanswered: 390, times: 3)
    #expect(
      told.count == 1 && told[0].contains("rank 0 (process 100 on host0) has been in stage transformer, step 42, phase checkpoint"))
    #expect(told.first?.contains("the file system of \(folder) has not answered for 6m30s") == true)
    try check(3, idle: 1800, unanswered: 1800)
    #expect(errors.count == 1 && errors[0].kind == .hung && warnings.isEmpty && ends.isEmpty)
  }

  @Test func aSinkThatDoesNotAnswerKeepsNothingFromTheOnesBefore() throws {
    final class Sink: EventSink, @unchecked Sendable {
      let seen = NSLock()
      var texts: [String] = []
      var gate: DispatchSemaphore?
      func record(_ event: Event) {
        gate?.wait()
        if case .message(let text) = event.kind { seen.withLock { texts.append(text) } }
      }
    }
    let (console, file) = (Sink(), Sink())
    file.gate = DispatchSemaphore(value: 0)
    let log = EventLog([console, file])
    let threads = ["first", "second"].map { text in
      Thread { try? log.message(text) }
    }
    for thread in threads { thread.start() }
    let deadline = Date() + 30
    while console.seen.withLock({ console.texts.count }) < 2, Date() < deadline { usleep(1000) }
    #expect(console.texts.sorted() == ["first", "second"] && file.texts.isEmpty)
    for _ in threads { file.gate?.signal() }
    while file.seen.withLock({ file.texts.count }) < 2, Date() < deadline { usleep(1000) }
    #expect(file.texts.sorted() == ["first", "second"])
  }

  /// The file of a living process, and that the watch sees what it reads.
  @Test func aRankKeepsItsFileCurrent() throws {
    let clock = PhaseClock()
    let seen = NSLock()
    nonisolated(unsafe) var records: [RankRecord] = []
    let status = RankStatus(
      folder: folder, rank: 5, host: "h", clock: clock, watch: { record in seen.withLock { records.append(record) } },
      unanswered: { _, _ in })
    clock.enter(.backward)
    status.set(stage: "dvae", step: 3)
    status.end()
    let data = try Data(contentsOf: URL(fileURLWithPath: RankStatus.path(folder, 5)))
    #expect(data.count == 512)
    let record = try JSONDecoder().decode(RankRecord.self, from: data)
    #expect(record.rank == 5 && record.host == "h" && record.process == getpid() && record.stage == "dvae" && record.step == 3)
    #expect(record.phase == "backward" && record.ended && record.memory > 1_000_000)
    #expect(abs(record.time - Date().timeIntervalSince1970) < 5 && record.since <= record.time && record.started < record.time)
  }
}
