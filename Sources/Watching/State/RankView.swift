/// A rank as the monitor shows it.
package struct RankView: Sendable {
  /// Seconds after which a rank that was not heard from counts as silent: four heartbeats.
  package static let silentAfter = 20.0
  /// Times the median of the ranks' time without waiting, from which on a rank is slow.
  package static let slowRatio = 1.3

  package enum Mark: String, Sendable {
    case slow
    case silent
  }

  package var rank: Int
  package var host: String
  package var process: Int?
  package var step: Int?
  package var phase: String?
  /// Seconds that the rank has been in its phase.
  package var secondsInPhase: Double?
  /// Seconds per step.
  package var seconds: Double?
  package var phases: [String: Double] = [:]
  /// Its time without waiting as a multiple of the median.
  package var ratio: Double?
  package var memory: Double?
  /// Seconds since its last heartbeat; nil if there was none.
  package var heard: Double?
  /// Seconds since it last made progress.
  package var quiet: Double?
  package var mark: Mark?
  /// Whether its process has gone from this machine; nil where that cannot be known.
  package var isGone: Bool?

  package init(rank: Int, host: String) { (self.rank, self.host) = (rank, host) }
}
