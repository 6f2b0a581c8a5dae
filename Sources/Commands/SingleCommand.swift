import Monitoring

/// How a command of one process starts and ends.
package enum SingleCommand {
  /// Does the command's work. Nothing has to be saved: a signal ends it at once.
  ///
  /// - Parameter beforeSignal: called before a signal ends it, on another thread.
  package static func run(beforeSignal: @escaping @Sendable () -> Void = {}, _ work: () throws -> Void) {
    Console.prepare()
    let stop = StopRequest(within: 0) {
      beforeSignal()
      Failure.end($0)
    }
    do {
      try Arguments.check()
      try work()
      try Console.check()
    } catch { Failure.end(error) }
    withExtendedLifetime(stop) {}
  }
}
