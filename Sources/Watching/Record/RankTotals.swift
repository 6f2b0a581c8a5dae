/// Where each rank's time went over a whole training, and its memory: the sums of `logs/STAGE.ranks.jsonl`.
package struct RankTotals: Sendable {
  /// The most ranks that are taken for some; a larger number is damage.
  private static let rankLimit = 1 << 20
  private static let curveLimit = 256
  // What is beyond these is damage, and its sums would be no numbers.
  private static let secondsRange = 0.0..<1e9
  private static let memoryRange = 0.0..<1e18

  /// Of each rank, the steps that are in the sums.
  package private(set) var steps: [Double] = []
  /// Sums of seconds: a list for each phase of `RankTimes.phases`, with an entry for each rank.
  private var sums = [[Double]](repeating: [], count: RankTimes.phases.count)
  /// Of each rank, the most that it had resident, in bytes; 0 where that is not known.
  package private(set) var peakMemory: [Double] = []
  /// Least, mean and most of the ranks, by step.
  package private(set) var memory = ThinnedSeries(limit: curveLimit)
  /// Means of the ranks by step, a curve for each phase.
  package private(set) var phases = [ThinnedSeries](
    repeating: ThinnedSeries(limit: curveLimit), count: RankTimes.phases.count)

  package init() {}

  package var isEmpty: Bool { steps.isEmpty }
  package var count: Int { steps.count }

  mutating func add(_ times: RankTimes) {
    let count = min(max(times.memory.count, times.seconds.values.map(\.count).max() ?? 0), Self.rankLimit)
    grow(to: count)
    let over = Double(times.over)
    for rank in 0..<count {
      steps[rank] += over
      if times.memory.indices.contains(rank), Self.memoryRange.contains(times.memory[rank]) {
        peakMemory[rank] = max(peakMemory[rank], times.memory[rank])
      }
    }
    for (index, phase) in RankTimes.phases.enumerated() {
      guard let seconds = times.seconds[phase] else { continue }
      for (rank, value) in seconds.prefix(count).enumerated() where Self.secondsRange.contains(value) {
        sums[index][rank] += value * over
      }
      if let point = ThinnedSeries.Point.ofRanks(seconds, in: Self.secondsRange, step: times.step) { phases[index].add(point) }
    }
    if let point = ThinnedSeries.Point.ofRanks(times.memory, in: Self.memoryRange, step: times.step) { memory.add(point) }
  }

  private mutating func grow(to count: Int) {
    let missing = max(0, count - steps.count)
    steps += [Double](repeating: 0, count: missing)
    peakMemory += [Double](repeating: 0, count: missing)
    for index in sums.indices { sums[index] += [Double](repeating: 0, count: missing) }
  }

  /// Seconds per step of a rank by phase, in the order of `RankTimes.phases`.
  package func seconds(rank: Int) -> [Double] { sums.map { steps[rank] > 0 ? $0[rank] / steps[rank] : 0 } }

  /// Seconds per step that a rank does not wait for others.
  package func busy(rank: Int) -> Double {
    zip(RankTimes.phases, seconds(rank: rank)).reduce(0) { $1.0 == "wait" ? $0 : $0 + $1.1 }
  }

  /// Ranks by their time without waiting, those that take longest first.
  package var slowestFirst: [Int] {
    let busy = steps.indices.map { self.busy(rank: $0) }
    return steps.indices.sorted { (busy[$0], $1) > (busy[$1], $0) }
  }
}
