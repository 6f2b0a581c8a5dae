import Foundation

/// Reads a run again and again on a thread of its own: a network file system that hangs does not keep keys from working.
final class BackgroundReader: @unchecked Sendable {
  // Safe to share: the watcher is the thread's alone; `newest` is guarded by `lock`.
  private let watcher: RunWatcher
  private let lock = NSLock()
  private var newest: Observation?
  private let isNew: @Sendable () -> Void

  /// - Parameter isNew: called on the thread whenever there is something new to show.
  init(_ watcher: RunWatcher, isNew: @escaping @Sendable () -> Void) { (self.watcher, self.isNew) = (watcher, isNew) }

  var observation: Observation? { lock.withLock { newest } }

  /// Reads as long as the program runs.
  func start() {
    let thread = Thread { [self] in
      while true {
        let observation = watcher.observe()
        lock.withLock { newest = observation }
        isNew()
        if observation.isComplete { sleep(1) }
      }
    }
    thread.name = "reader"
    thread.start()
  }
}
