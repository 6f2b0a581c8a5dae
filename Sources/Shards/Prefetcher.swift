import Foundation

/// Loads batches ahead of time on a thread of its own: batch `start`, `start + 1`, ... in order.
package final class Prefetcher<Batch: Sendable>: @unchecked Sendable {
  // Safe to share: everything that changes is guarded by `condition`.
  private let condition = NSCondition()
  private var ready: [Result<Batch, any Error>] = []
  private var isStopped = false

  /// - Parameters:
  ///   - capacity: most batches that are held ready.
  ///   - load: loads batch number k. An error ends the thread; `next` throws it.
  package init(startingAt start: Int, capacity: Int, load: @escaping @Sendable (Int) throws -> Batch) {
    let thread = Thread { [weak self] in
      var number = start
      while true {
        let result = Result { try load(number) }
        guard let self, self.deliver(result, capacity: capacity) else { return }
        if case .failure = result { return }
        number += 1
      }
    }
    thread.name = "prefetch"
    thread.start()
  }

  private func deliver(_ result: Result<Batch, any Error>, capacity: Int) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    while ready.count >= capacity && !isStopped { condition.wait() }
    if isStopped { return false }
    ready.append(result)
    condition.broadcast()
    return true
  }

  /// The next batch; waits until it is loaded.
  package func next() throws -> Batch {
    condition.lock()
    defer { condition.unlock() }
    while ready.isEmpty && !isStopped { condition.wait() }
    precondition(!ready.isEmpty, "next() was called after stop()")
    // A failure stays in the queue: another call throws it again instead of waiting for ever.
    if case .failure(let error) = ready[0] { throw error }
    defer { condition.broadcast() }
    return try ready.removeFirst().get()
  }

  /// Ends the thread.
  package func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }
}
