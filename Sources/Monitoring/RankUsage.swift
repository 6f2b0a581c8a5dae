/// What some steps took of a rank.
package struct RankUsage: Sendable, BitwiseCopyable {
  /// Seconds per step.
  package var seconds: PhaseSeconds
  /// Bytes that are resident.
  package var memory: Int
  package var cores: CoreState

  package init(seconds: PhaseSeconds, memory: Int, cores: CoreState = CoreState(count: 1, speed: 1)) {
    (self.seconds, self.memory, self.cores) = (seconds, memory, cores)
  }
}

/// The rank that the others wait for.
package struct SlowestRank: Sendable, Equatable, Codable {
  package var rank: Int
  /// Its time without waiting, against the median of all ranks.
  package var ratio: Double

  package init(rank: Int, ratio: Double) { (self.rank, self.ratio) = (rank, ratio) }

  /// Nil for a rank that is alone.
  package init?(_ ranks: [RankUsage]) {
    guard ranks.count > 1 else { return nil }
    let busy = ranks.map(\.seconds.busy)
    rank = busy.indices.max { busy[$0] < busy[$1] }!
    // Of two, the median is the faster one.
    let median = busy.sorted()[(busy.count - 1) / 2]
    ratio = median > 0 ? busy[rank] / median : 1
  }
}
