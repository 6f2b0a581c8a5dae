import Foundation

/// Takes events. A sink gets them from one thread at a time, and never keeps training waiting for long.
package protocol EventSink: AnyObject {
  /// - Throws: what must end the run, such as a full disk.
  func record(_ event: Event) throws
  /// Writes what it still holds back, before the job ends. Other threads may record events meanwhile.
  func flush()
}

extension EventSink {
  package func flush() {}
}

/// Passes a rank's events to its sinks, one after the other. Any thread may call it.
package final class EventLog: @unchecked Sendable {
  // Safe to share: each sink is called with its lock held, and does not change otherwise. With one lock for all, a sink whose disk
  // does not answer would silence the console, too.
  private let sinks: [(sink: any EventSink, lock: NSLock)]

  package init(_ sinks: [any EventSink]) { self.sinks = sinks.map { ($0, NSLock()) } }

  /// Records what happens now.
  package func record(_ kind: Event.Kind, stage: String? = nil, step: Int? = nil) throws {
    let event = Event(time: Date().timeIntervalSince1970, stage: stage, step: step, kind)
    for (sink, lock) in sinks { try lock.withLock { try sink.record(event) } }
  }

  /// To be called when the job's work is done, whether it succeeded or failed.
  package func flush() { for (sink, _) in sinks { sink.flush() } }

  package func message(_ text: String, stage: String? = nil) throws { try record(.message(text), stage: stage) }
  package func warning(_ text: String, stage: String? = nil) throws { try record(.warning(text), stage: stage) }

  /// Does work of unknown length, with a message now and then that it is under way.
  package func reporting<Result>(_ what: String, stage: String? = nil, _ body: () throws -> Result) rethrows -> Result {
    try Monitoring.reporting(what, to: { try? self.message($0, stage: stage) }, body)
  }
}
