import Errors
import Files
import Foundation

/// What a rank reported, and how many seconds ago.
struct Heartbeat: Sendable {
  var status: RankReport
  var age: Double
}

/// The status files of a run, `status/rank-00000.json`, looked at again and again.
///
/// Ages are those of the files' own times, as long as nothing has been seen to change: hosts' clocks may differ. From then on they
/// are measured by this machine's clock.
struct Heartbeats {
  private struct Beat {
    var status: RankReport
    /// When `status.time` was first seen, and whether it is one that has changed under our eyes.
    var seen: ContinuousClock.Instant
    var hasChanged: Bool
  }

  private let folder: String
  private var beats: [Int: Beat] = [:]
  private var updated: ContinuousClock.Instant?

  init(folder: String) { self.folder = folder }

  /// Reads the files again. One that is being written, or has gone, keeps what was read before.
  ///
  /// Those of a thousand ranks are read every five seconds, as they are written: a network file system has others to serve.
  mutating func update() throws {
    if let updated, ContinuousClock.now - updated < .seconds(min(5, beats.count / 200)) { return }
    updated = .now
    let names: [String]
    do { names = try namesInFolder(folder) } catch let error as DalleError {
      if error.kind == .noInput { return }
      throw error
    }
    for name in names where name.hasPrefix("rank-") && name.hasSuffix(".json") {
      guard let bytes = try? readFile("\(folder)/\(name)").prefix(1 << 16), let status = RankReport([UInt8](bytes)) else {
        continue
      }
      add(status, at: .now)
    }
  }

  mutating func add(_ status: RankReport, at now: ContinuousClock.Instant) {
    guard let before = beats[status.rank] else {
      beats[status.rank] = Beat(status: status, seen: now, hasChanged: false)
      return
    }
    guard status.time != before.status.time else { return }
    beats[status.rank] = Beat(status: status, seen: now, hasChanged: true)
  }

  /// The newest status of each rank of a job. A file that was last written before the job began is of an earlier one, unless it has
  /// been seen to change.
  func ofJob(_ start: JobStart?, now: ContinuousClock.Instant, clock: Double) -> [Heartbeat] {
    beats.values.compactMap { beat in
      guard beat.hasChanged || beat.status.time >= start?.time ?? 0 else { return nil }
      let observed = (now - beat.seen) / .seconds(1)
      // A clock that is ahead of ours gives no age; what does not change is at least as old as it has been looked at.
      return Heartbeat(status: beat.status, age: beat.hasChanged ? observed : max(observed, clock - beat.status.time))
    }
  }

  /// Whether a second look would tell more: a time that lies in the future, or long ago, may be of a clock that is wrong.
  func areUncertain(_ start: JobStart?, clock: Double) -> Bool {
    beats.values.contains { beat in
      let isOfJob = start.map { beat.status.rank < $0.ranks } ?? true
      return isOfJob && !beat.hasChanged && !(-5...RankView.silentAfter).contains(clock - beat.status.time)
    }
  }
}
