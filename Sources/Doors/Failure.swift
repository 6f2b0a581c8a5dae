import Files
import Foundation
import MPI
import Training

#if canImport(Glibc)
import Glibc
#endif

/// How a command ends when something goes wrong: one message, and an exit code as in `sysexits.h`.
public enum Failure {
  /// EX_DATAERR: a file holds what it must not.
  private static let data: Int32 = 65
  /// EX_IOERR: a file cannot be read or written.
  private static let inputOutput: Int32 = 74
  /// EX_CONFIG: the configuration cannot work.
  private static let configuration: Int32 = 78

  private static func code(_ error: any Error) -> Int32 {
    switch error {
    case is ConfigError: configuration
    case is FileError: inputOutput
    default: data
    }
  }

  /// Ends a command of one process.
  public static func end(_ error: any Error) -> Never {
    report("\(error)")
    exit(code(error))
  }

  /// Ends all ranks of a job. Where several fail alike, the coordinator alone is heard: the others wait two seconds for
  /// mpirun to end them, which it starts with SIGCONT.
  public static func end(_ error: any Error, in world: Communicator) -> Never {
    signal(SIGCONT) { _ in }  // so that it interrupts the sleep
    if world.rank != 0 && sleep(2) > 0 { exit(code(error)) }
    report(world.rank == 0 ? "\(error)" : "rank \(world.rank): \(error)")
    world.abort(code(error))
  }

  private static func report(_ text: String) {
    let command = (CommandLine.arguments[0] as NSString).lastPathComponent
    try? FileHandle.standardError.write(contentsOf: Data("\(command): \(text)\n".utf8))
  }
}
