import Errors
import Foundation
import Synchronization

/// Notices that a job hangs: no rank makes progress. The ranks that the others wait for are named once, and later the job is ended, so
/// that a scheduler can start it again.
///
/// It knows of other ranks by their status files alone: a rank that hangs answers no message. The files' times of change are compared
/// with one another, as clocks of hosts differ.
package final class HangWatch: @unchecked Sendable {
  // Safe to share: what changes is atomic.

  private let folder: String
  private let ranks: Int
  private let hangAfter: Double
  private let abortAfter: Double
  private let warn: (String) -> Void
  private let end: (DalleError) -> Void
  private let isNamed = Atomic(false)

  /// - Parameters:
  ///   - folder: of the status files.
  ///   - ranks: of the job.
  ///   - hangAfter: seconds without progress after which ranks are named.
  ///   - abortAfter: seconds after which the job is ended; 0 for never.
  ///   - warn: takes the message.
  ///   - end: ends the job.
  package init(
    folder: String, ranks: Int, hangAfter: Double, abortAfter: Double, warn: @escaping (String) -> Void,
    end: @escaping (DalleError) -> Void
  ) {
    (self.folder, self.ranks, self.hangAfter, self.abortAfter) = (folder, ranks, hangAfter, abortAfter)
    (self.warn, self.end) = (warn, end)
  }

  /// Looks whether the job hangs, and whether it is for this rank to say so: the first that still answers does.
  ///
  /// - Parameter own: this rank's record, which has just been written.
  package func check(_ own: RankRecord) {
    if own.idle < hangAfter { return isNamed.store(false, ordering: .relaxed) }
    guard let now = changed(own.rank) else { return }
    let others = (0..<ranks).map { state($0, now: now, job: own) }
    let idle = others.map(\.idle).min()!
    guard idle >= hangAfter, others.first(where: { !$0.isSilent })?.rank == own.rank else { return }
    // A rank that is stopped while it waits looks like one that waits, until its file is too old.
    guard others.contains(where: \.isMissing) || idle > RankStatus.silence + RankStatus.interval else { return }
    report(Self.message(others, idle: idle), idle: idle, warn: warn, end: end)
  }

  /// The same where the status files' file system has not answered for `seconds`: nothing is known of other ranks, and no log can be
  /// written.
  ///
  /// - Parameters:
  ///   - warn: takes the message; of the first rank alone.
  ///   - end: ends the job.
  package func check(_ own: RankRecord, unanswered seconds: Double, warn: (String) -> Void, end: (DalleError) -> Void) {
    guard own.idle >= hangAfter, seconds >= RankStatus.silence else { return }
    let text =
      "the job hangs: \(Self.text(State(rank: own.rank, record: own, idle: own.idle, isSilent: false))), and the file system of "
      + "\(folder) has not answered for \(RemainingTime.text(seconds: seconds)): what other ranks do is not known; look at that file "
      + "system"
    report(text, idle: own.idle, warn: { if own.rank == 0 { warn($0) } }, end: end)
  }

  private func report(_ text: String, idle: Double, warn: (String) -> Void, end: (DalleError) -> Void) {
    if abortAfter > 0, idle >= abortAfter {
      end(
        DalleError(
          .hung, "\(text). The job ends (monitoring.abortAfter); started again, it resumes from the newest checkpoint"))
    } else if !isNamed.exchange(true, ordering: .relaxed) {
      let rest = abortAfter > 0 ? "the job ends in \(RemainingTime.text(seconds: abortAfter - idle)) (monitoring.abortAfter)" : ""
      warn("\(text)\(rest.isEmpty ? "" : "; if that stays so, \(rest)")")
    }
  }

  // MARK: Ranks

  struct State {
    var rank: Int
    var record: RankRecord?
    /// Seconds without progress, as far as is known.
    var idle: Double
    /// Whether its status file is not kept current.
    var isSilent: Bool
    /// Whether others may be waiting for it.
    var isMissing: Bool { isSilent || record?.phase != Phase.wait.name }
  }

  private func state(_ rank: Int, now: Double, job: RankRecord) -> State {
    guard let changed = changed(rank),
      let data = try? Data(contentsOf: URL(fileURLWithPath: RankStatus.path(folder, rank))),
      let record = try? JSONDecoder().decode(RankRecord.self, from: data)
    else { return State(rank: rank, record: nil, idle: .infinity, isSilent: true) }
    let age = max(0, now - changed)
    return State(rank: rank, record: record, idle: record.idle + age, isSilent: age > RankStatus.silence)
  }

  /// When a rank's file was written last, by the clock of the file system.
  private func changed(_ rank: Int) -> Double? {
    var info = stat()
    guard stat(RankStatus.path(folder, rank), &info) == 0 else { return nil }
    return Double(info.st_mtim.tv_sec) + Double(info.st_mtim.tv_nsec) * 1e-9
  }

  // MARK: The message

  /// Names the ranks that are not waiting for others.
  static func message(_ states: [State], idle: Double) -> String {
    let missing = states.filter(\.isMissing)
    let time = RemainingTime.text(seconds: idle)
    guard !missing.isEmpty else {
      return "the job hangs: for \(time) every rank has waited for others; look at the network between their hosts"
    }
    let named = missing.prefix(8).map(text).joined(separator: "; ")
    let more = missing.count > 8 ? "; and \(missing.count - 8) more" : ""
    let waiting = states.count - missing.count
    let who = waiting == 0 ? "" : waiting == 1 ? "; one rank waits for that" : "; \(waiting) ranks wait for that"
    return "the job hangs: for \(time) no rank has made progress: \(named)\(more)\(who)"
  }

  private static func text(_ state: State) -> String {
    guard let record = state.record else { return "rank \(state.rank) has not begun" }
    let place = [record.stage.map { "stage \($0)" }, record.step.map { "step \($0 + 1)" }].compactMap(\.self)
    let name = "rank \(record.rank) (process \(record.process) on \(record.host))"
    let time = RemainingTime.text(seconds: state.idle)
    let doing = (place + ["phase \(record.phase)"]).joined(separator: ", ")
    return state.isSilent
      ? "\(name) has not answered for \(time): it is stopped, dead or cut off, or its disk does not answer; it was in \(doing)"
      : "\(name) has been in \(doing) for \(time)"
  }
}
