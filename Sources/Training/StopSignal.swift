import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Remembers that SIGTERM, SIGINT or SIGUSR1 arrived. The trainer asks at each step, and stops with a checkpoint when any
/// rank was told to.
package final class StopSignal {
  private final class Flag: Sendable {
    let raised = Atomic<Bool>(false)
  }
  private let flag = Flag()
  private let sources: [any DispatchSourceSignal]

  package init() {
    // mpirun closes the ranks' console before it ends them: a line that nobody reads must not cost the last checkpoint.
    signal(SIGPIPE, SIG_IGN)
    let queue = DispatchQueue(label: "signals")
    sources = [SIGTERM, SIGINT, SIGUSR1].map { number in
      signal(number, SIG_IGN)  // the default would end the process before the source sees it
      return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }
    for source in sources {
      source.setEventHandler { [flag] in flag.raised.store(true, ordering: .relaxed) }
      source.resume()
    }
  }

  package var isRaised: Bool { flag.raised.load(ordering: .relaxed) }
}

/// A signal asked to stop before there was anything to save.
package struct StoppedBySignal: Error {}
