/// A line of `logs/STAGE.steps.jsonl`.
enum StepsLine {
  case step(TrainingHistory.Step)
  case beginning(TrainingHistory.Beginning)
  case validation(TrainingHistory.Validation)
  /// An event that this version does not know.
  case unknown

  /// Reads a line; nil if it is damaged.
  init?(_ line: UnsafeRawBufferPointer) {
    var event: String?
    var beginning = TrainingHistory.Beginning()
    var step = TrainingHistory.Step()
    var validation = TrainingHistory.Validation()
    let isWhole = JSONCursor.object(line) { json in
      while let key = json.nextKey() {
        switch key {
        case "event": event = json.string()
        case "step": step.step = json.integer() ?? 0
        case "time": step.time = json.number() ?? 0
        case "loss": step.loss = json.number() ?? .nan
        case "losses": step.losses = json.numbersByName() ?? []
        case "gradientNorm": step.gradientNorm = json.number() ?? .nan
        case "lr": step.lr = json.number() ?? .nan
        case "seconds": step.seconds = json.number() ?? .nan
        case "throughput": step.throughput = json.number() ?? .nan
        case "skipped": step.isSkipped = json.bool() ?? false
        case "slowest": step.slowest = TrainingHistory.SlowestRank(&json)
        case "values": validation.values = json.numbersByName() ?? []
        default: beginning.read(key, &json)
        }
      }
    }
    guard isWhole else { return nil }
    switch event {
    case nil: self = .step(step)
    case "begin":
      (beginning.step, beginning.time) = (step.step, step.time)
      self = .beginning(beginning)
    case "validation":
      validation.step = step.step
      self = .validation(validation)
    default: self = .unknown
    }
  }
}

extension TrainingHistory {
  mutating func add(line: UnsafeRawBufferPointer) {
    switch StepsLine(line) {
    case .step(let step): add(step)
    case .beginning(let beginning): add(beginning)
    case .validation(let validation): add(validation)
    case .unknown: break
    case nil: damagedCount += 1
    }
  }
}

extension TrainingHistory.SlowestRank {
  fileprivate init?(_ json: inout JSONCursor) {
    guard json.enterObject() else { return nil }
    while let key = json.nextKey() {
      switch key {
      case "rank": rank = json.integer() ?? 0
      case "ratio": ratio = json.number() ?? 1
      default: json.skip()
      }
    }
  }
}

extension TrainingHistory.Beginning {
  fileprivate mutating func read(_ key: JSONCursor.Key, _ json: inout JSONCursor) {
    switch key {
    case "version": version = json.integer() ?? 1
    case "steps": steps = json.integer() ?? 0
    case "ranks": ranks = json.integer() ?? 0
    case "hosts": hosts = json.list { $0.string() ?? "" } ?? []
    case "hostOfRank": hostOfRank = json.list { $0.integer() ?? -1 } ?? []
    case "precision": precision = json.string() ?? ""
    case "batch": batch = json.integer() ?? 0
    case "parameters": parameters = json.integer() ?? 0
    case "unit": unit = json.string() ?? ""
    case "flopsPerSample": flopsPerSample = json.number() ?? 0
    case "gemmPeak": gemmPeak = json.number() ?? 0
    default: json.skip()
    }
  }
}
