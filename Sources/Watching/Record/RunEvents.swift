/// What the logs of a run's ranks tell, `logs/rank-00000.jsonl` and those of the others: from every start to every end.
package struct RunEvents: Sendable {
  package private(set) var list = EventList()
  package private(set) var jobCount = 0
  package private(set) var warningCount = 0
  package private(set) var hangCount = 0
  /// Jobs that another one followed although they have no end.
  package private(set) var killedCount = 0
  package private(set) var skippedSamples = 0
  /// What the newest job logged of its data: their kind and number.
  package private(set) var data: String?
  /// Lines that cannot be parsed.
  private(set) var damagedCount = 0
  /// Of the coordinator's log: when the newest line was written, and whether a job is under way at its end.
  private var newestTime = 0.0
  private var isOpen = false
  private var jobStart = 0.0
  /// Ends of other ranks: the coordinator may have been in no state to log one.
  private var failures: [RunEvent] = []
  private static let failureLimit = 10_000

  init() {}

  /// Takes in a line of a rank's log; the coordinator's log comes last.
  mutating func add(line: UnsafeRawBufferPointer, rank: Int) {
    var name: String?
    var stage: String?
    var time = 0.0
    var (step, ranks, code): (Int?, Int, Int) = (nil, 0, 0)
    var hosts: [String] = []
    var (text, precision) = ("", "")
    let isWhole = JSONCursor.object(line) { json in
      while let key = json.nextKey() {
        switch key {
        case "event": name = json.string()
        case "time": time = json.number() ?? 0
        case "stage": stage = json.string()
        case "step": step = json.integer()
        case "text": text = json.string() ?? ""
        case "code": code = json.integer() ?? 0
        case "ranks": ranks = json.integer() ?? 0
        case "hosts": hosts = json.list { $0.string() ?? "" } ?? []
        case "precision": precision = json.string() ?? ""
        default: json.skip()
        }
      }
    }
    guard isWhole else {
      damagedCount += 1
      return
    }
    guard let name, let kind = kind(name, code: code, text: text) else {
      if name == "message", rank == 0, text.hasPrefix("data: ") { remember(data: text) }
      return
    }
    var event = RunEvent(kind, time: time)
    (event.rank, event.stage, event.firstStep, event.lastStep) = (rank, stage, step, step)
    event.text = kind == .started ? Self.start(ranks: ranks, hosts: hosts, precision: precision) : text
    // Reasons differ from sample to sample; `dataset/skipped.jsonl` has them.
    if kind == .skippedSamples { event.text = "" }
    if rank == 0 { addOfCoordinator(event) } else { addOfOther(event) }
  }

  private mutating func addOfCoordinator(_ event: RunEvent) {
    if event.kind == .started {
      close(
        before: event.time, "the log has no end of this job, and another one began after it: it was killed, or its machine failed")
      (isOpen, jobStart, data) = (true, event.time, nil)
      jobCount += 1
    }
    if case .ended = event.kind { isOpen = false }
    newestTime = max(newestTime, event.time)
    list.add(event)
    count(event)
  }

  /// Every rank logs what all do alike; the coordinator's lines are enough.
  private mutating func addOfOther(_ event: RunEvent) {
    switch event.kind {
    case .warning, .hang, .skippedSamples:
      list.add(event)
      count(event)
    case .ended(let code) where code != 0 && code != 79 && failures.count < Self.failureLimit: failures.append(event)
    default: break
    }
  }

  /// Finds the end of a job of which the coordinator logged none: the failure of another rank, or else a kill.
  ///
  /// - Parameters:
  ///   - time: when the next job began.
  ///   - reason: why it counts as killed; nil where it may be under way.
  mutating func close(before time: Double = .infinity, _ reason: String?) {
    guard isOpen else { return }
    if let failure = failures.filter({ jobStart <= $0.time && $0.time < time }).min(by: { $0.time < $1.time }) {
      list.add(failure)
    } else if let reason {
      var event = RunEvent(.killed, time: newestTime)
      event.text = reason
      list.add(event)
      killedCount += 1
    }
    isOpen = false
  }

  mutating func add(_ updates: StageRecord.SkippedUpdates, stage: String) {
    var event = RunEvent(.skippedUpdates, time: updates.time)
    (event.stage, event.firstStep, event.lastStep) = (stage, updates.firstStep, updates.lastStep)
    event.count = updates.lastStep - updates.firstStep + 1
    list.add(event)
  }

  private func kind(_ name: String, code: Int, text: String) -> RunEvent.Kind? {
    switch name {
    case "started": .started
    case "ended": .ended(code)
    case "stageBegun": .stageBegun
    case "stageFinished": .stageFinished
    case "checkpoint": .checkpoint
    case "sampleGrid": .samples
    case "skip": .skippedSamples
    case "warning": text.hasPrefix("the job hangs") ? .hang : .warning
    default: nil
    }
  }

  private mutating func count(_ event: RunEvent) {
    switch event.kind {
    case .warning: warningCount += 1
    case .hang: hangCount += 1
    case .skippedSamples: skippedSamples += 1
    default: break
    }
  }

  /// The first such line of a job counts the samples; later ones tell about its sources.
  private mutating func remember(data text: String) { if text.contains(" for training, ") { data = String(text.dropFirst(6)) } }

  private static func start(ranks: Int, hosts: [String], precision: String) -> String {
    let named = hosts.prefix(8).joined(separator: ", ") + (hosts.count > 8 ? " and \(hosts.count - 8) more" : "")
    let on = hosts.isEmpty ? "" : " on \(named)"
    return "\(ranks) \(ranks == 1 ? "rank" : "ranks")\(on)\(precision.isEmpty ? "" : ", \(precision)")"
  }
}
