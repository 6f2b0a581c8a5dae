import ArgumentParser
import Foundation
import MPI
import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// How a command that runs under mpirun starts and ends.
package enum RankedCommand {
  /// Parses and runs a command. Every rank reads the same command line; the first one alone answers a wrong one.
  package static func main(_ command: (some ParsableCommand).Type) {
    do {
      var command = try command.parseAsRoot()
      try command.run()
    } catch {
      if ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"].map({ $0 != "0" }) ?? false {
        sleep(1)
        exit(command.exitCode(for: error).rawValue)
      }
      command.exit(withError: error)
    }
  }

  /// Does the command's work with all ranks; ends all of them if it fails on one.
  package static func withRanks(_ work: (Communicator) throws -> Void) {
    Failure.watchForEnd()
    let world: Communicator
    do {
      world = try Communicator.world()
    } catch { Failure.end(error) }
    OutOfMemory.report = { Failure.end($0, in: world) }
    do {
      try DeadRanks.watch(world)
      try work(world)
      DeadRanks.stop()
      // Everything that talks to other ranks is gone by now.
      try Communicator.finalize()
    } catch { Failure.end(error, in: world) }
  }
}
