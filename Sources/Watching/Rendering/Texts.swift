import Foundation
import Monitoring

/// Numbers as the monitor writes them.
enum Texts {
  /// `4.1 GB`
  static func bytes(_ count: Double) -> String {
    guard count.isFinite else { return "-" }
    var (value, unit) = (count, 0)
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return String(format: value < 9.95 && unit > 0 ? "%.1f" : "%.0f", value) + " " + units[unit]
  }

  /// `4.1GB`, for columns.
  static func shortBytes(_ count: Double) -> String { bytes(count).replacing(" ", with: "") }

  /// `160k`, for what has many digits.
  static func rounded(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    for (size, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= 0.9995 * size {
      return String(format: abs(value) < 9.995 * size ? "%.2f" : abs(value) < 99.95 * size ? "%.1f" : "%.0f", value / size) + unit
    }
    return short(value)
  }

  /// Seconds in at most five columns: `0.123`, `12.3`, `1234`.
  static func seconds(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "-" }
    return String(format: value < 9.9995 ? "%.3f" : value < 99.95 ? "%.1f" : "%.0f", value)
  }

  /// `3m12s`; a file may have any number.
  static func duration(_ seconds: Double) -> String {
    seconds.isFinite ? RemainingTime.text(seconds: min(max(seconds, 0), 1e10)) : "-"
  }
}
