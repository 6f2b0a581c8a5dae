/// Puts together what the files tell about each rank.
enum RankViews {
  /// - Parameters:
  ///   - beats: of the newest job.
  ///   - jobAge: seconds since the newest job began.
  ///   - isOver: the job has ended, so that silence is no fault.
  ///   - host: this machine's name.
  static func make(
    beats: [Heartbeat], times: RankTimes?, beginning: TrainingHistory.Beginning?, start: JobStart?,
    jobAge: Double, isOver: Bool, host: String
  ) -> [RankView] {
    let listed = start.flatMap { $0.ranks > 0 ? $0.ranks : nil } ?? beginning?.ranks ?? 0
    let count = listed > 0 ? listed : (beats.map(\.status.rank).max() ?? -1) + 1
    var ranks = (0..<min(count, 1 << 20)).map { RankView(rank: $0, host: beginning?.host(of: $0) ?? "") }
    for beat in beats where ranks.indices.contains(beat.status.rank) { ranks[beat.status.rank].add(beat.status, age: beat.age) }
    if let times { add(times, to: &ranks) }
    guard !isOver, !beats.isEmpty else { return ranks }
    let processes = Dictionary(beats.map { ($0.status.rank, $0.status) }, uniquingKeysWith: { $1 })
    for index in ranks.indices where ranks[index].heard ?? jobAge > RankView.silentAfter {
      ranks[index].mark = .silent
      let process = processes[index].flatMap { LocalProcess($0, host: host) }
      ranks[index].isGone = process.map { $0 == .gone }
    }
    return ranks
  }

  private static func add(_ times: RankTimes, to ranks: inout [RankView]) {
    let busy = ranks.indices.map { times.busy(rank: $0) }
    let sorted = busy.compactMap(\.self).sorted()
    let median = sorted.isEmpty ? 0 : sorted[(sorted.count - 1) / 2]
    for index in ranks.indices {
      for phase in RankTimes.phases { ranks[index].phases[phase] = times.seconds(phase, rank: index) }
      if !ranks[index].phases.isEmpty { ranks[index].seconds = ranks[index].phases.values.reduce(0, +) }
      if ranks[index].memory == nil, times.memory.indices.contains(index) { ranks[index].memory = times.memory[index] }
      guard median > 0, ranks.count > 1, let seconds = busy[index] else { continue }
      ranks[index].ratio = seconds / median
      if seconds > RankView.slowRatio * median { ranks[index].mark = .slow }
    }
  }
}

extension RankView {
  fileprivate mutating func add(_ status: RankReport, age: Double) {
    (host, process, step, phase, memory) = (status.host, status.process, status.step, status.phase, status.memory)
    heard = max(0, age)
    secondsInPhase = max(0, status.time - status.since) + max(0, age)
    quiet = max(0, status.idle) + max(0, age)
  }
}
