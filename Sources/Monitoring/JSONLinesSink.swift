/// Appends a rank's events to `rank-00000.jsonl`, for rank 0, as one JSON object per line; see Docs/monitoring.md. What belongs to
/// training steps is in files of its own (`StepLogSink`).
package final class JSONLinesSink: EventSink {
  private let file: LogFile

  /// - Throws: `DalleError` of kind `inputOutput`.
  package init(folder: String, rank: Int) throws {
    file = try LogFile(folder + "/rank-\(String(format: "%05d", rank)).jsonl")
  }

  package func record(_ event: Event) throws {
    switch event.kind {
    case .trainingBegun, .step, .ranks, .validation, .histogram: break
    default: try file.append(event)
    }
  }
}

extension Event: Encodable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  package func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode((time * 1000).rounded() / 1000, forKey: Key("time"))
    try object.encodeIfPresent(stage, forKey: Key("stage"))
    try object.encodeIfPresent(step, forKey: Key("step"))
    try object.encode(name, forKey: Key("event"))
    switch kind {
    case .started(let job):
      try object.encode(job.ranks, forKey: Key("ranks"))
      try object.encode(job.hosts, forKey: Key("hosts"))
      try object.encode(job.precision, forKey: Key("precision"))
    case .stageBegun, .trainingBegun, .step, .ranks, .validation, .histogram: break
    case .stageFinished(_, _, let isGiven): try object.encode(isGiven, forKey: Key("given"))
    case .checkpoint(let path), .sampleGrid(let path): try object.encode(path, forKey: Key("path"))
    case .message(let text), .warning(let text), .skip(let text): try object.encode(text, forKey: Key("text"))
    case .ended(let code, let text):
      try object.encode(code, forKey: Key("code"))
      try object.encode(text, forKey: Key("text"))
    }
  }

  private var name: String {
    switch kind {
    case .started: "started"
    case .stageBegun: "stageBegun"
    case .stageFinished: "stageFinished"
    case .trainingBegun: "trainingBegun"
    case .step: "step"
    case .ranks: "ranks"
    case .validation: "validation"
    case .histogram: "histogram"
    case .checkpoint: "checkpoint"
    case .sampleGrid: "sampleGrid"
    case .message: "message"
    case .warning: "warning"
    case .skip: "skip"
    case .ended: "ended"
    }
  }
}
