/// What a rank does at this moment, `status/rank-00005.json`.
package struct RankReport: Sendable {
  package var rank = 0
  package var host = ""
  package var process = 0
  package var started = 0.0
  package var time = 0.0
  package var stage = ""
  package var step: Int?
  package var phase = ""
  package var since = 0.0
  /// Seconds without progress when it was written.
  package var idle = 0.0
  package var memory: Double?
  package var hasEnded = false

  package init() {}

  /// Reads a file's contents; nil while it is being written.
  init?(_ bytes: [UInt8]) {
    let isWhole = (bytes + [0x0A]).withUnsafeBytes { bytes in
      JSONCursor.object(UnsafeRawBufferPointer(rebasing: bytes.dropLast())) { json in
        while let key = json.nextKey() {
          switch key {
          case "rank": rank = json.integer() ?? 0
          case "host": host = json.string() ?? ""
          case "process": process = json.integer() ?? 0
          case "started": started = json.number() ?? 0
          case "time": time = json.number() ?? 0
          case "stage": stage = json.string() ?? ""
          case "step": step = json.integer()
          case "phase": phase = json.string() ?? ""
          case "since": since = json.number() ?? 0
          case "idle": idle = json.number() ?? 0
          case "memory": memory = json.number()
          case "ended": hasEnded = json.bool() ?? false
          default: json.skip()
          }
        }
      }
    }
    if !isWhole || time <= 0 { return nil }
  }
}
