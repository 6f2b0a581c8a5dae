import Dispatch
import Foundation

/// What a rank does at this moment: what it writes into its status file.
package struct RankRecord: Codable, Sendable {
  package var rank: Int
  package var host: String
  package var process: Int32
  /// Seconds since 1970: when the process began, and when this was written.
  package var started: Double
  package var time: Double
  package var stage: String?
  /// Training steps done.
  package var step: Int?
  package var phase: String
  package var since: Double
  /// Grows at every look that finds progress.
  package var ticks: Int
  /// Seconds without progress when this was written.
  package var idle: Double
  /// Bytes that are resident.
  package var memory: Int
  /// After an orderly end.
  package var ended: Bool
}

/// Keeps a rank's status file current, as long as the process can run at all: whoever reads it sees what the rank does, or that it is
/// stopped, dead or cut off.
package final class RankStatus: @unchecked Sendable {
  // Safe to share: `record` and what belongs to it are guarded by `lock`.

  /// Seconds between two writes.
  package static let interval = 5.0
  /// A file that is this many seconds old is not kept current any more.
  package static let silence = 20.0
  /// Bytes of a file: it is written over in place, which needs no space and no new name.
  private static let byteCount = 512

  package let path: String
  private let clock: PhaseClock
  private let lock = NSLock()
  private var record: RankRecord
  private var changes = -1
  private var processorSeconds = 0.0
  private var lastProgress = ContinuousClock.now
  private var descriptor: Int32
  /// When the write began that has not come back yet.
  private var writing: ContinuousClock.Instant?
  private let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "status", qos: .utility))
  private let files = DispatchQueue(label: "status files", qos: .utility)

  /// - Parameters:
  ///   - watch: called after each write, on the thread that writes.
  ///   - unanswered: called in place of a write while the one before has not come back, with the seconds since it began: it never
  ///     will where the file system is dead.
  package init(
    folder: String, rank: Int, host: String, clock: PhaseClock, watch: @escaping @Sendable (RankRecord) -> Void,
    unanswered: @escaping @Sendable (RankRecord, _ seconds: Double) -> Void
  ) {
    path = Self.path(folder, rank)
    self.clock = clock
    record = RankRecord(
      rank: rank, host: host, process: getpid(), started: Date().timeIntervalSince1970 - processSeconds(), time: 0, stage: nil,
      step: nil, phase: "", since: 0, ticks: 0, idle: 0, memory: 0, ended: false)
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    timer.setEventHandler { [weak self] in self?.look(watch, unanswered) }
    timer.schedule(deadline: .now(), repeating: Self.interval)
    timer.resume()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  static func path(_ folder: String, _ rank: Int) -> String { "\(folder)/rank-\(String(format: "%05d", rank)).json" }

  /// What the rank works on.
  package func set(stage: String?, step: Int?) { lock.withLock { (record.stage, record.step) = (stage, step) } }

  /// The work is done, or broken off in order.
  package func end() {
    timer.cancel()
    lock.withLock { record.ended = true }
    let last = current()
    files.sync { write(last) }
  }

  private func look(
    _ watch: @escaping @Sendable (RankRecord) -> Void, _ unanswered: @Sendable (RankRecord, _ seconds: Double) -> Void
  ) {
    let (record, now) = (current(), ContinuousClock.now)
    let began = lock.withLock {
      defer { writing = writing ?? now }
      return writing
    }
    if let began { return unanswered(record, (now - began) / .seconds(1)) }
    files.async { [weak self] in
      guard let self else { return }
      write(record)
      watch(record)
      lock.withLock { writing = nil }
    }
  }

  /// A disk that is full, or gone, is no reason to stop: readers see that the file is old.
  private func write(_ record: RankRecord) {
    guard let json = try? JSONEncoder().encode(record), json.count < Self.byteCount else { return }
    let line = json + Data(repeating: UInt8(ascii: " "), count: Self.byteCount - 1 - json.count) + Data("\n".utf8)
    _ = line.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  /// What the rank does now.
  private func current() -> RankRecord {
    lock.withLock {
      let (position, now) = (clock.position, ContinuousClock.now)
      if isProgressing(position) {
        record.ticks += 1
        lastProgress = now
      }
      record.time = milliseconds(Date().timeIntervalSince1970)
      record.phase = position.phase.name
      record.since = milliseconds(record.time - (now - position.since) / .seconds(1))
      record.idle = milliseconds((now - lastProgress) / .seconds(1))
      record.memory = residentBytes()
      return record
    }
  }

  /// Whether the phase has changed since the last look, or the process computes: whoever waits for others may do that busily.
  private func isProgressing(_ position: PhaseClock.Position) -> Bool {
    let used = usedProcessorSeconds()
    defer { (changes, processorSeconds) = (position.changes, used) }
    return position.changes != changes || position.phase != .wait && used - processorSeconds > 0.2 * Self.interval
  }

  private func milliseconds(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }
}
