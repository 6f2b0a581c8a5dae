import Monitoring

/// How a command of one process starts and ends.
package enum SingleCommand {
  /// Does the command's work. Nothing has to be saved: a signal ends it at once.
  package static func run(_ work: () throws -> Void) {
    Console.prepare()
    let stop = StopRequest(within: 0) { Failure.end($0) }
    do {
      try Arguments.check()
      try work()
      try Console.check()
    } catch { Failure.end(error) }
    withExtendedLifetime(stop) {}
  }
}
