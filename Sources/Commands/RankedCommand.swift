import ArgumentParser
import Foundation
import MPI
import Memory
import Monitoring

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
      let launcher = Launcher()
      let code = command.exitCode(for: error)
      guard launcher.isMPIRun else { command.exit(withError: error) }
      if launcher.rank == 0 {
        if code == .success { command.exit(withError: error) }
        try? FileHandle.standardError.write(contentsOf: Data((command.fullMessage(for: error) + "\n").utf8))
      }
      if code == .success { _exit(0) }
      // mpirun would add a page if ranks only exited; it needs all of them to start MPI.
      let world = try? Communicator.world()
      if launcher.rank != 0 { sleep(5) }
      world?.abort(code.rawValue)
      _exit(code.rawValue)
    }
  }

  /// Does the command's work with all ranks; ends all of them if it fails on one, or if a stop is requested.
  ///
  /// - Parameters:
  ///   - isStarting: whether the first part of the work belongs to the start, in which a rank that hangs is noticed; it ends with
  ///     `isStarted`.
  package static func withRanks(
    isStarting: Bool = false, _ work: (_ world: Communicator, _ stop: StopRequest) throws -> Void
  ) {
    Console.prepare()
    Failure.watchForEnd()
    let launcher = Launcher()
    let world: Communicator
    StartWatch.begin(launcher)
    do {
      try launcher.check(ranks: nil)
      if launcher.localRank == 0 { Leftovers.remove() }
      world = try Communicator.world()
      try launcher.check(ranks: world.size)
    } catch { Failure.end(error) }
    OutOfMemory.report = { Failure.end($0, in: world) }
    // A second to leave no half file behind.
    let stop = StopRequest(within: 1) { [world = Unchecked(world)] in Failure.end($0, in: world.value) }
    do {
      try DeadRanks.watch(world)
      stop.passOn(to: DeadRanks.otherProcesses)
      try Arguments.check()
      if !isStarting { isStarted() }
      try work(world, stop)
      try Console.check()
      DeadRanks.stop()
      // Everything that talks to other ranks is gone by now.
      try Communicator.finalize()
    } catch { Failure.end(error, in: world) }
  }

  /// From now on something else notices ranks that hang.
  package static func isStarted() { StartWatch.end() }

  /// Something that another thread may use, because it does nothing but end the job with it.
  private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }
}
