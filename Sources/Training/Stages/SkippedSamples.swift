import Foundation
import Monitoring

/// Samples that training skips, because they cannot be read. Each is recorded once.
final class SkippedSamples: @unchecked Sendable {
  // Safe to share: what changes is guarded by `lock`.
  private let lock = NSLock()
  private var known: Set<String> = []
  private let log: EventLog

  init(_ log: EventLog) { self.log = log }

  func add(_ reason: String) {
    lock.lock()
    let isNew = known.insert(reason).inserted
    lock.unlock()
    // A log that cannot be written ends the run at the next step, whose event it cannot take either.
    if isNew { try? log.record(.skip(reason)) }
  }
}
