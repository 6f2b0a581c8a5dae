import Watching

/// What happened in the runs.
extension RunsPage {
  /// Characters of a message that are shown at once, and when it is unfolded.
  private static let messageStart = 300
  private static let messageLimit = 4000

  var events: HTML? {
    let parts = runs.indices.filter { !runs[$0].events.list.shown.events.isEmpty }.map(part)
    if parts.isEmpty { return nil }
    return "\(parts)"
  }

  private func part(_ index: Int) -> HTML {
    let events = runs[index].events
    let (shown, dropped) = events.list.shown
    let updates = runs[index].stages.reduce(0) { $0 + $1.skippedCount }
    let counts = [
      (events.jobCount, "start"), (events.killedCount, "kill"), (events.hangCount, "hang"), (events.warningCount, "warning"),
      (updates, "skipped update"), (events.skippedSamples, "skipped sample"),
    ].filter { $0.0 > 0 }.map { NumberText.amount($0, $1) }
    let note: HTML? =
      dropped == 0
      ? nil
      : "<p class=\"note\">Of very many events the first and the newest are shown; \(NumberText.grouped(dropped)) are dropped.</p>\n"
    return """
      \(heading(index))<p class="note">\(counts.joined(separator: ", "))</p>
      <ol class="events">
      \(shown.map(item))</ol>
      \(note)
      """
  }

  private func item(_ event: RunEvent) -> HTML {
    let steps: String? = event.firstStep.map { first in
      let last = event.lastStep ?? first
      return last == first
        ? "step \(NumberText.grouped(first))" : "steps \(NumberText.grouped(first)) to \(NumberText.grouped(last))"
    }
    let rank = event.rank == 0 ? nil : "rank \(event.rank)"
    let place = [event.stage, steps, rank].compactMap(\.self).joined(separator: ", ")
    let (name, kind) = Self.name(event)
    let whole = NumberText.start(of: event.text, Self.messageLimit)
    let start = NumberText.start(of: event.text, Self.messageStart)
    let text: HTML =
      start == whole ? "\(whole)" : "<details><summary>\(start)</summary>\(whole)</details>"
    return """
      <li class="\(kind)"><time>\(DateText.moment(event.time))</time><b>\(name)</b><div><span class="count">\(place)\(place.isEmpty || whole.isEmpty ? "" : ":")</span> \(text)</div></li>

      """
  }

  /// What the page calls an event, and how grave it is.
  private static func name(_ event: RunEvent) -> (name: String, kind: String) {
    func several(_ one: String) -> String { event.count == 1 ? one : NumberText.amount(event.count, one) }
    return switch event.kind {
    case .started: ("started", "job")
    case .ended(0): ("finished", "job")
    case .ended(79): ("stopped", "job")
    case .ended(let code): ("failed, code \(code)", "bad")
    case .killed: ("killed", "bad")
    case .stageBegun: ("stage begun", "stage")
    case .stageFinished: ("stage finished", "stage")
    case .checkpoint: (several("checkpoint"), "")
    case .samples: (several("sample sheet"), "")
    case .skippedUpdates: (several("skipped update"), "odd")
    case .skippedSamples: (several("skipped sample"), "odd")
    case .warning: (several("warning"), "odd")
    case .hang: ("hang", "bad")
    }
  }
}
