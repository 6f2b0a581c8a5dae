import Errors
import Foundation
import Kernels
import MPI
import Monitoring

/// How a run is watched from outside: events in its log, what each rank does in its status file, and a message where the job hangs.
package final class RunMonitor {
  package let log: EventLog
  /// Of this rank.
  package let clock: PhaseClock
  package let status: RankStatus
  package let job: Job
  private let world: Communicator
  private var gemmPeaks: [Precision: Double] = [:]

  /// Collective.
  ///
  /// - Parameter sinks: get the run's events on this rank, beside the log files and the console.
  init(
    _ config: MonitoringConfig, folder: RunFolder, world: Communicator, precision: String, sinks: [any EventSink],
    stop: StopRequest
  ) throws {
    self.world = world
    let isCoordinator = world.rank == 0
    let hosts = try world.allGather(FixedName(ProcessInfo.processInfo.hostName)).map(\.text)
    job = Job(hostNames: hosts, precision: precision)
    let stepLogs = isCoordinator ? [StepLogSink(folder: folder.logs)] : []
    log = EventLog(
      [ConsoleSink(isCoordinator: isCoordinator), try JSONLinesSink(folder: folder.logs, rank: world.rank)] + stepLogs + sinks)
    clock = PhaseClock()
    Communicator.waiting = { [clock] in try clock.measure(.wait, $0) }
    let watch = HangWatch(
      folder: folder.status, ranks: world.size, hangAfter: Double(config.hangAfter), abortAfter: Double(config.abortAfter),
      warn: { [log] in try? log.warning($0) },
      end: { [log] error in
        try? log.record(.ended(code: Int(error.kind.rawValue), text: "\(error)"))
        stop.end(with: error)
      })
    // All ranks would read all files: the first of them are enough, even where some are stopped.
    let isWatching = world.rank < 16 && config.hangAfter > 0
    status = RankStatus(
      folder: folder.status, rank: world.rank, host: hosts[world.rank], clock: clock,
      watch: { if isWatching { watch.check($0) } },
      unanswered: { record, seconds in
        guard isWatching else { return }
        // Sinks may wait for the same file system.
        watch.check(record, unanswered: seconds, warn: ConsoleSink.write(warning:), end: stop.end)
      })
    if isCoordinator { try log.record(.started(job)) }
  }

  /// FLOP/s of large GEMMs on all ranks together, measured once. Collective.
  func gemmPeak(_ precision: Precision) throws -> Double {
    if let peak = gemmPeaks[precision] { return peak }
    let peak = try GEMMPeak.measure(precision, world)
    gemmPeaks[precision] = peak
    return peak
  }

  /// The job ends in order, or by an error.
  func end(_ error: (any Error)?) {
    let kind = error.map { ($0 as? DalleError)?.kind ?? .software }
    try? log.record(.ended(code: Int(kind?.rawValue ?? 0), text: error.map { "\($0)" } ?? "the work is done"))
    log.flush()
    status.end()
  }
}

/// A host's name, to be sent; cut where it is longer than any should be.
private struct FixedName: BitwiseCopyable {
  private var bytes = (SIMD32<UInt8>(), SIMD32<UInt8>())

  init(_ name: String) {
    for (index, byte) in name.utf8.prefix(64).enumerated() {
      if index < 32 { bytes.0[index] = byte } else { bytes.1[index - 32] = byte }
    }
  }

  var text: String {
    let all = (0..<64).map { $0 < 32 ? bytes.0[$0] : bytes.1[$0 - 32] }
    return String(decoding: all.prefix { $0 != 0 }, as: UTF8.self)
  }
}
