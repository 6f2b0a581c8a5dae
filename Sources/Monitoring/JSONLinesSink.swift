import Errors
import Foundation

/// Appends a rank's events to a file, as one JSON object per line, with the keys `time`, `event`, `stage`, `step` and those of the
/// event.
package final class JSONLinesSink: EventSink {
  private let path: String
  private let descriptor: Int32
  private let encoder = JSONEncoder()

  /// Appends to `folder/rank-00000.jsonl`, for rank 0. A last line that a crash cut off is closed first.
  ///
  /// - Throws: `DalleError` of kind `inputOutput`.
  package init(folder: String, rank: Int) throws {
    path = folder + "/rank-\(String(format: "%05d", rank)).jsonl"
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("cannot be opened", "check the folder's permissions and the disk") }
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // JSON has no infinity; a diverged loss is written as a string.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    var last = UInt8(ascii: "\n")
    let end = lseek(descriptor, 0, SEEK_END)
    if end > 0, pread(descriptor, &last, 1, end - 1) != 1 { throw failure("cannot be read", "check the disk") }
    if last != UInt8(ascii: "\n") { try append(Data("\n".utf8)) }
  }

  deinit { close(descriptor) }

  package func record(_ event: Event) throws {
    if case .histogram = event.kind { return }  // thousands of numbers; the validation's line has what they come to
    try append(encoder.encode(event) + Data("\n".utf8))
  }

  private func append(_ line: Data) throws {
    var rest = line[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be written", "free space on the disk, and start again") }
      rest = rest.dropFirst(count)
    }
  }

  /// What the last system call refused.
  private func failure(_ problem: String, _ advice: String) -> DalleError {
    DalleError(.inputOutput, "\(path): \(problem): \(String(cString: strerror(errno))); \(advice)")
  }
}

extension Event: Encodable {
  /// A key of the flat JSON object: fixed, but for the name of the throughput.
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  package func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    func values(_ metrics: [Metric]) -> [String: Double] {
      Dictionary(metrics.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }
    try object.encode(time, forKey: Key("time"))
    try object.encodeIfPresent(stage, forKey: Key("stage"))
    try object.encodeIfPresent(step, forKey: Key("step"))
    try object.encode(name, forKey: Key("event"))
    switch kind {
    case .stageBegun, .histogram: break
    case .stageFinished(_, _, let isGiven): try object.encode(isGiven, forKey: Key("given"))
    case .trainingBegun(let steps, _): try object.encode(steps, forKey: Key("steps"))
    case .step(let metrics):
      try object.encode(metrics.loss, forKey: Key("loss"))
      try object.encode(values(metrics.losses), forKey: Key("losses"))
      try object.encode(metrics.gradientNorm, forKey: Key("gradientNorm"))
      try object.encode(metrics.lr, forKey: Key("lr"))
      try object.encode(metrics.throughput.value, forKey: Key(metrics.throughput.name))
      try object.encode(metrics.seconds, forKey: Key("seconds"))
      let phases = Dictionary(uniqueKeysWithValues: metrics.phases.map { ($0.key.rawValue, $0.value) })
      try object.encode(phases, forKey: Key("phases"))
      try object.encode(metrics.resident, forKey: Key("resident"))
      try object.encode(metrics.isSkipped, forKey: Key("skipped"))
    case .validation(let metrics): try object.encode(values(metrics), forKey: Key("values"))
    case .checkpoint(let path), .sampleGrid(let path): try object.encode(path, forKey: Key("path"))
    case .message(let text), .warning(let text), .skip(let text): try object.encode(text, forKey: Key("text"))
    }
  }

  private var name: String {
    switch kind {
    case .stageBegun: "stageBegun"
    case .stageFinished: "stageFinished"
    case .trainingBegun: "trainingBegun"
    case .step: "step"
    case .validation: "validation"
    case .histogram: "histogram"
    case .checkpoint: "checkpoint"
    case .sampleGrid: "sampleGrid"
    case .message: "message"
    case .warning: "warning"
    case .skip: "skip"
    }
  }
}
