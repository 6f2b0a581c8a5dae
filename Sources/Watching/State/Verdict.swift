/// How a run is doing, in a word, and why.
package struct Verdict: Sendable, Equatable {
  package enum State: String, Sendable {
    case running
    case stalled
    case finished
    case stopped
    case failed

    /// Of `--once` and `--json`.
    package var exitCode: Int32 {
      switch self {
      case .finished: 0
      case .running: 10
      case .stalled: 11
      case .failed: 12
      case .stopped: 13
      }
    }
  }

  package var state: State
  /// For people; empty for a run that runs.
  package var reason: String

  package init(_ state: State, _ reason: String = "") { (self.state, self.reason) = (state, reason) }

  /// - Parameters:
  ///   - ended: of the newest job; nil while it runs, and after a kill.
  ///   - hangAfter: seconds without progress of any rank after which a job hangs.
  ///   - lineAge: seconds since the newest line of the logs, for runs without heartbeats.
  static func decide(ranks: [RankView], ended: JobEnd?, hangAfter: Double, lineAge: Double) -> Verdict {
    if let ended { return Verdict(ended) }
    guard let heard = ranks.compactMap(\.heard).min() else {
      if lineAge <= hangAfter { return Verdict(.running) }
      return Verdict(.failed, "no rank reports, and the logs end \(text(lineAge)) ago without an end of the job: it was killed")
    }
    if heard <= RankView.silentAfter {
      let quiet = ranks.compactMap(\.quiet).min() ?? 0
      if quiet <= hangAfter { return Verdict(.running) }
      return Verdict(.stalled, "no rank has advanced for \(text(quiet)): " + culprits(ranks))
    }
    let processes = ranks.compactMap(\.isGone)
    if processes.contains(false) {
      return Verdict(.stalled, "no rank has been heard from for \(text(heard)), but processes are there: the job is suspended")
    }
    if !processes.isEmpty || heard > hangAfter {
      return Verdict(.failed, "killed: no rank has been heard from for \(text(heard)), and the logs have no end of the job")
    }
    return Verdict(
      .stalled, "no rank has been heard from for \(text(heard)): the job was killed or suspended, or cannot reach its disk")
  }

  private init(_ end: JobEnd) {
    switch end.code {
    case 0: self.init(.finished)
    case 79: self.init(.stopped, end.text.isEmpty ? "a stop was requested" : end.text)
    default: self.init(.failed, "exit code \(end.code)" + (end.text.isEmpty ? "" : ": \(end.text)"))
    }
  }

  /// The ranks for which the others wait: those that are silent, or else those that do something other than waiting for others.
  private static func culprits(_ ranks: [RankView]) -> String {
    let silent = ranks.filter { $0.mark == .silent }
    let busy = ranks.filter { $0.phase != "wait" && $0.phase != "communicate" }
    let suspects = !silent.isEmpty ? silent : busy.isEmpty ? ranks : busy
    let named = suspects.prefix(3).map { rank in
      let process = rank.process.map { ", process \($0)" } ?? ""
      let since = (rank.mark == .silent ? rank.heard : rank.secondsInPhase).map { " for \(text($0))" } ?? ""
      return "rank \(rank.rank) (\(rank.host)\(process)) \(rank.mark == .silent ? "silent" : "in `\(rank.phase ?? "?")`")\(since)"
    }
    return named.joined(separator: ", ") + (suspects.count > 3 ? ", and \(suspects.count - 3) more" : "")
  }

  private static func text(_ seconds: Double) -> String { Texts.duration(seconds) }
}
