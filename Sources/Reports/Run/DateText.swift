import Foundation
import Monitoring

/// Moments and durations as the page writes them.
enum DateText {
  /// `2026-05-03 14:07:31`, by this machine's time zone.
  static func moment(_ time: Double) -> String {
    guard time > 0, time < 1e11 else { return "unknown" }
    let format = Date.VerbatimFormatStyle(
      format: """
        \(year: .defaultDigits)-\(month: .twoDigits)-\(day: .twoDigits) \
        \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits)
        """,
      locale: Locale(identifier: "en_US_POSIX"), timeZone: .current, calendar: Calendar(identifier: .gregorian))
    return Date(timeIntervalSince1970: time).formatted(format)
  }

  /// `UTC`, `UTC+2`
  static func zone(at time: Double) -> String {
    let minutes = TimeZone.current.secondsFromGMT(for: Date(timeIntervalSince1970: time)) / 60
    if minutes == 0 { return "UTC" }
    let rest = abs(minutes) % 60
    return "UTC\(minutes < 0 ? "-" : "+")\(abs(minutes) / 60)\(rest == 0 ? "" : ":\(rest)")"
  }

  /// `3m12s`
  static func duration(_ seconds: Double) -> String {
    seconds.isFinite ? RemainingTime.text(seconds: min(max(seconds, 0), 1e10)) : "unknown"
  }

  /// Seconds of a step or its part: `0.512 s`, `3.10 ms`.
  static func ofStep(_ seconds: Double) -> String {
    seconds >= 0.1 || seconds <= 0 ? "\(NumberText.short(seconds)) s" : "\(NumberText.short(seconds * 1000)) ms"
  }
}
