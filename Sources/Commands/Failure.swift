import Errors
import Foundation
import MPI
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// How a command ends when something goes wrong: one message, and an exit code as in `sysexits.h`.
package enum Failure {
  private static func code(_ error: any Error) -> Int32 {
    ((error as? DalleError)?.kind ?? .software).rawValue
  }

  /// Ends a command of one process.
  package static func end(_ error: any Error) -> Never {
    report("\(error)")
    exit(code(error))
  }

  /// Ends all ranks of a job. Where several fail alike, the coordinator alone is heard: the others wait two seconds, and
  /// stay silent if mpirun ends the job meanwhile.
  package static func end(_ error: any Error, in world: Communicator) -> Never {
    DeadRanks.willReport()
    if world.rank != 0 {
      if time(nil) - lastContinued > 5 { sleep(2) }
      if time(nil) - lastContinued <= 5 { exit(code(error)) }
    }
    report(world.rank == 0 ? "\(error)" : "rank \(world.rank): \(error)")
    world.abort(code(error))
  }

  /// Notices when mpirun ends the job, which it starts with SIGCONT. Every rank calls it first.
  package static func watchForEnd() {
    signal(SIGCONT) { _ in
      lastContinued = time(nil)
      DeadRanks.report()
    }
  }

  private static func report(_ text: String) {
    let command = (CommandLine.arguments[0] as NSString).lastPathComponent
    try? FileHandle.standardError.write(contentsOf: Data("\(command): \(text)\n".utf8))
  }
}

/// When SIGCONT came last, in seconds since 1970. Written by its handler alone, so no two threads write it.
nonisolated(unsafe) private var lastContinued = 0
