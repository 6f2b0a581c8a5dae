import Foundation

/// How much memory this process may still take: what the machine has left, or a container's or job's limit if that is less.
public enum AvailableMemory {
  /// Bytes, or nil where the system does not tell.
  public static var byteCount: Int? { [machine, controlGroup].compactMap { $0 }.min() }

  /// Bytes of address space that this process may still map under its limit (`ulimit -v`), whatever others take; nil without a limit.
  public static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(Int.max),
      let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first.flatMap({
        Int($0)
      })
    else { return nil }
    return max(0, Int(limit.rlim_cur) - pages * Int(getpagesize()))
  }

  /// The kernel's estimate of what can be had without swapping.
  private static var machine: Int? {
    guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else { return nil }
    return number(after: "MemAvailable:", in: text).map { $0 * 1024 }
  }

  /// What the limits of this process's control group, and of those above it, leave.
  private static var controlGroup: Int? {
    guard let groups = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else { return nil }
    var least: Int?
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 3 else { continue }
      let (mount, limit, usage, cache): (String, String, String, String)
      if fields[0] == "0" {
        (mount, limit, usage, cache) = ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
      } else if fields[1].split(separator: ",").contains("memory") {
        (mount, limit, usage, cache) = (
          "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        )
      } else {
        continue
      }
      // In a container the group's path is often that of the host, and its own limits stand at the top.
      var group = fields[2]
      while true {
        let folder = mount + (group == "/" ? "" : group)
        if let limit = number(in: "\(folder)/\(limit)"), let usage = number(in: "\(folder)/\(usage)") {
          // Cached files that nobody uses give way.
          let cached = (try? String(contentsOfFile: "\(folder)/memory.stat", encoding: .utf8)).flatMap {
            number(after: cache + " ", in: $0)
          }
          least = min(least ?? .max, max(0, limit - usage + (cached ?? 0)))
        }
        if group == "/" || group.isEmpty { break }
        group = (group as NSString).deletingLastPathComponent
      }
    }
    return least
  }

  /// A file that holds one number; `max` is none.
  private static func number(in path: String) -> Int? {
    (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  private static func number(after name: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
    }
    return nil
  }
}
