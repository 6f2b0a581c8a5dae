import Foundation

/// A rank's process, where it runs on this machine.
enum LocalProcess: Sendable {
  /// Stopped, or waiting for a disk: it is there and does not report.
  case present
  case gone

  /// Looks for it; nil on another machine, and where nothing can be known.
  ///
  /// - Parameter root: of the file system; `/` but for tests.
  init?(_ status: RankReport, host: String, root: String = "/") {
    guard status.host == host, status.process > 0, let boot = Self.bootTime(root) else { return nil }
    guard let text = try? String(contentsOfFile: "\(root)proc/\(status.process)/stat", encoding: .utf8),
      // The name before it may have blanks and brackets.
      let fields = text.split(separator: ")").last?.split(separator: " "), fields.count > 19, fields[0] != "Z",
      let ticks = Double(fields[19])
    else {
      self = .gone
      return
    }
    // A number is given again: a process that began later is another one. The kernel's time of the start is a second off at most.
    self = boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK))) <= status.started + 2 ? .present : .gone
  }

  private static func bootTime(_ root: String) -> Double? {
    (try? String(contentsOfFile: "\(root)proc/stat", encoding: .utf8))?.split(separator: "\n")
      .first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
  }

  static var host: String {
    var name = [UInt8](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
  }
}
