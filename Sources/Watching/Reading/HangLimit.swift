import Files
import Yams

/// Seconds without progress of any rank after which a job hangs, `monitoring.hangAfter` of a run's configuration.
enum HangLimit {
  static let byDefault = 300.0

  /// A file without it, or that cannot be read, has the default; 0 is never.
  static func read(_ path: String) -> Double {
    guard let bytes = try? readFile(path),
      let keys = try? Yams.load(yaml: String(decoding: bytes, as: UTF8.self)) as? [String: Any],
      let seconds = (keys["monitoring"] as? [String: Any])?["hangAfter"] as? Int
    else { return byDefault }
    return seconds > 0 ? Double(seconds) : .infinity
  }
}
