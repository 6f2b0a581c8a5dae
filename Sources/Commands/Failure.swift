import Errors
import Foundation
import MPI
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// How a command ends when something goes wrong: one message, and an exit code as in `sysexits.h`.
package enum Failure {
  /// Whether a thread is about to end the process: another one that fails meanwhile is not heard.
  private static let isEnding = Atomic<Bool>(false)

  private static func code(_ error: any Error) -> Int32 {
    ((error as? DalleError)?.kind ?? .software).rawValue
  }

  /// Ends a command of one process. Any thread may call it.
  package static func end(_ error: any Error) -> Never {
    waitIfEnding()
    report("\(error)", error)
    _exit(code(error))
  }

  /// Ends all ranks of a job. Where several fail alike, the coordinator alone is heard: the others wait two seconds, and
  /// stay silent if mpirun ends the job meanwhile. Any thread may call it.
  package static func end(_ error: any Error, in world: Communicator) -> Never {
    waitIfEnding()
    DeadRanks.willReport()
    if world.rank != 0 {
      if uptime() - lastContinued > 5 { sleep(2) }
      if uptime() - lastContinued <= 5 { _exit(code(error)) }
    }
    report(world.rank == 0 ? "\(error)" : "rank \(world.rank): \(error)", error)
    world.abort(code(error))
  }

  private static func waitIfEnding() {
    while isEnding.exchange(true, ordering: .relaxed) { sleep(10) }
  }

  /// Notices when mpirun ends the job, which it starts with SIGCONT. Every rank calls it first.
  package static func watchForEnd() {
    signal(SIGCONT) { _ in
      let code = errno
      lastContinued = uptime()
      DeadRanks.report()
      errno = code
    }
  }

  private static func report(_ text: String, _ error: any Error) {
    // A stop is no mistake; and of the two pipes, mpirun may read one last time the first alone.
    let isStop = (error as? DalleError)?.kind == .stopped
    let console = isStop ? FileHandle.standardOutput : .standardError
    try? console.write(contentsOf: Data("\(Program.name): \(text)\n".utf8))
  }
}

/// Seconds of a clock that nobody sets. A signal's handler may call it.
private func uptime() -> Int {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return now.tv_sec
}

/// When SIGCONT came last. Written by its handler alone, so no two threads write it.
nonisolated(unsafe) private var lastContinued = -1000
