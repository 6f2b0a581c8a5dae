/// What the log of a rank tells, `logs/rank-00000.jsonl`, in bounded memory.
struct RankLog: Sendable {
  /// The newest warnings that are kept.
  static let warningCount = 200

  var started: JobStart?
  var ended: JobEnd?
  /// The newest stage, and whether it is finished.
  var stage: String?
  var isStageFinished = false
  var samples: String?
  var message: Notice?
  var warnings: [Notice] = []
  var skippedSamples = 0
  var newestTime = 0.0

  mutating func add(line: UnsafeRawBufferPointer, rank: Int) {
    var event: String?
    var start = JobStart()
    var end = JobEnd()
    var notice = Notice(rank: rank)
    var path: String?
    let isWhole = JSONCursor.object(line) { json in
      while let key = json.nextKey() {
        switch key {
        case "event": event = json.string()
        case "time": notice.time = json.number() ?? 0
        case "stage": notice.stage = json.string()
        case "text": notice.text = json.string() ?? ""
        case "path": path = json.string()
        case "code": end.code = json.integer() ?? 0
        case "ranks": start.ranks = json.integer() ?? 0
        case "hosts": start.hosts = json.list { $0.string() ?? "" } ?? []
        default: json.skip()
        }
      }
    }
    guard isWhole else { return }
    newestTime = max(newestTime, notice.time)
    switch event {
    case "started":
      start.time = notice.time
      (started, ended, stage) = (start, nil, nil)
    case "ended":
      (end.time, end.text) = (notice.time, notice.text)
      ended = end
    case "stageBegun": (stage, isStageFinished) = (notice.stage, false)
    case "stageFinished": (stage, isStageFinished) = (notice.stage, true)
    case "sampleGrid": samples = path
    case "message": message = notice
    case "skip": skippedSamples += 1
    case "warning":
      warnings.append(notice)
      if warnings.count >= 2 * Self.warningCount { warnings.removeFirst(Self.warningCount) }
    default: break
    }
  }
}

/// A job begins.
package struct JobStart: Sendable {
  package var time = 0.0
  package var ranks = 0
  package var hosts: [String] = []
}

/// A job's orderly end.
package struct JobEnd: Sendable {
  package var time = 0.0
  package var code = 0
  package var text = ""
}

/// A message or a warning of a rank.
package struct Notice: Sendable {
  package var time = 0.0
  package var rank = 0
  package var stage: String?
  package var text = ""
}
