/// Events of a run in bounded memory: of very many, the first and the newest.
package struct EventList: Sendable {
  private static let firstCount = 60
  private static let newestCount = 240

  private struct Part: Sendable {
    var first: [RunEvent] = []
    var newest: [RunEvent] = []
    var droppedCount = 0

    mutating func add(_ event: RunEvent) {
      if newest.isEmpty {
        if Self.absorb(event, into: &first) { return }
        if first.count < EventList.firstCount { return first.append(event) }
      } else if Self.absorb(event, into: &newest) {
        return
      }
      newest.append(event)
      guard newest.count >= 2 * EventList.newestCount else { return }
      newest.removeFirst(EventList.newestCount)
      droppedCount += EventList.newestCount
    }

    /// Checkpoints and sample sheets come in turns, so each is counted with the last one of its kind.
    private static func absorb(_ event: RunEvent, into events: inout [RunEvent]) -> Bool {
      for index in events.indices.reversed() {
        if events[index].absorb(event) { return true }
        if !event.kind.isRegular || !events[index].kind.isRegular { return false }
      }
      return false
    }

    /// Also those that were kept to drop many at a time.
    var shown: (events: [RunEvent], dropped: Int) {
      let more = max(0, newest.count - EventList.newestCount)
      return (first + newest.dropFirst(more), droppedCount + more)
    }
  }

  /// Starts and ends of jobs, which no number of warnings drives out.
  private var ofJobs = Part()
  private var others = Part()
  private var count = 0

  mutating func add(_ event: RunEvent) {
    var event = event
    event.number = count
    count += 1
    if event.kind.isOfJob { ofJobs.add(event) } else { others.add(event) }
  }

  /// In the order of time, and how many are dropped between the first and the newest.
  package var shown: (events: [RunEvent], dropped: Int) {
    let parts = [ofJobs.shown, others.shown]
    let events = parts.flatMap(\.events).sorted { ($0.time, $0.number) < ($1.time, $1.number) }
    return (events, parts.reduce(0) { $0 + $1.dropped })
  }
}
