import Dispatch
import Errors
import Foundation
import Monitoring
import Synchronization

/// Notices that a job does not get under way: a rank that hangs before MPI has started it, or in a file system that does not answer,
/// is waited for by all others. The first ranks of each machine tell; those that hang cannot.
enum StartWatch {
  /// Seconds after which ranks tell that they wait, and after which the job ends: those of `monitoring.hangAfter` and `abortAfter` as
  /// they are by default, since no configuration is read yet.
  private static let (warnAfter, endAfter) = (300.0, 1800.0)

  private static let isOver = Atomic(false)

  /// - Parameter launcher: of this process.
  static func begin(_ launcher: Launcher) {
    guard launcher.isMPIRun, launcher.localRank < 2 else { return }
    let queue = DispatchQueue(label: "start", qos: .utility)
    let text = "rank \(launcher.rank) (process \(getpid()) on \(ProcessInfo.processInfo.hostName)) has waited"
    let advice =
      "for the job to get under way: a rank that does not say so hangs or has not begun, or a file system does not answer; look at "
      + "the processes on its host and at the network between the hosts"
    queue.asyncAfter(deadline: .now() + warnAfter) {
      guard !isOver.load(ordering: .relaxed) else { return }
      let rest = RemainingTime.text(seconds: endAfter - warnAfter)
      ConsoleSink.write(warning: "\(text) \(RemainingTime.text(seconds: warnAfter)) \(advice). In \(rest) the job ends")
    }
    queue.asyncAfter(deadline: .now() + endAfter) {
      guard !isOver.load(ordering: .relaxed) else { return }
      Failure.end(DalleError(.hung, "\(text) \(RemainingTime.text(seconds: endAfter)) \(advice). The job ends"))
    }
  }

  /// The job is under way.
  static func end() { isOver.store(true, ordering: .relaxed) }
}
