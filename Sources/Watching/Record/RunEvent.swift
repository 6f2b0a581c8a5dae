/// Something that happened in a run, or several of one kind that followed each other.
package struct RunEvent: Sendable {
  package enum Kind: Sendable, Equatable {
    case started
    /// The job's exit code.
    case ended(Int)
    /// A job began after one that has no end.
    case killed
    case stageBegun, stageFinished
    case checkpoint, samples
    case skippedUpdates, skippedSamples
    case warning, hang

    /// Whether it comes again and again as configured.
    var isRegular: Bool { self == .checkpoint || self == .samples }

    /// Whether it says when jobs ran: few others are worth more.
    var isOfJob: Bool {
      switch self {
      case .started, .ended, .killed, .hang: true
      default: false
      }
    }
  }

  package var kind: Kind
  /// Seconds since 1970.
  package var time: Double
  package var rank = 0
  package var stage: String?
  package var firstStep: Int?
  package var lastStep: Int?
  package var count = 1
  package var text = ""
  /// Its number in the order of reading, which tells the order of events of one moment.
  var number = 0

  package init(_ kind: Kind, time: Double) { (self.kind, self.time) = (kind, time) }

  /// Takes in another event that is no news after this one.
  ///
  /// - Returns: false where it is.
  mutating func absorb(_ next: RunEvent) -> Bool {
    guard (kind, stage, rank) == (next.kind, next.stage, next.rank) else { return false }
    switch kind {
    case .checkpoint, .samples, .skippedUpdates, .skippedSamples: break
    case .warning where text == next.text: break
    default: return false
    }
    count += next.count
    lastStep = next.lastStep ?? lastStep
    return true
  }
}
