import Foundation

/// Cores that this process may use: fewer than the machine has under `taskset`, Slurm or a container's limits.
package struct UsableCores: Sendable {
  /// At least 1.
  package let count: Int
  /// The kernel's hexadecimal mask; equal for processes that may run on the same cores.
  package let mask: String
  /// Cores in the mask.
  package let maskCount: Int
  /// Cores' worth of time that control groups leave this process and its neighbours; nil without a limit.
  package let quota: Double?

  /// - Parameters:
  ///   - process: its number, or `self`.
  ///   - root: where `proc` and `sys` are; tests have their own.
  package init(process: String = "self", root: String = "") {
    let status = (try? String(contentsOfFile: "\(root)/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
    mask = String(line.dropFirst("Cpus_allowed:".count).filter { !$0.isWhitespace })
    maskCount = max(1, mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount })
    quota = CPUQuota.cores(process: process, root: root)
    count = max(1, min(maskCount, quota.map { Int($0) } ?? maskCount))
  }

  /// "2 cores", or "1 core of 8 by a CPU quota of 1.5".
  package var text: String {
    let cores = "\(count) \(count == 1 ? "core" : "cores")"
    guard let quota, count < maskCount else { return cores }
    return "\(cores) of \(maskCount) by a CPU quota of \(String(format: "%.3g", quota))"
  }
}

/// Time on the cores that control groups allow (versions 1 and 2): containers with `--cpus`, Kubernetes, systemd.
private enum CPUQuota {
  /// The least of the limits of a process's control group and of those above it, in cores; nil without one.
  static func cores(process: String, root: String) -> Double? {
    guard let groups = try? String(contentsOfFile: "\(root)/proc/\(process)/cgroup", encoding: .utf8) else { return nil }
    var limits: [Double] = []
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 3 else { continue }
      let isUnified = fields[0] == "0"
      guard isUnified || fields[1].split(separator: ",").contains("cpu") else { continue }
      let mounts = isUnified ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
      // In a container the group's path is often that of the host, and its own limits are at the top.
      var group = fields[2]
      while true {
        let folders = mounts.map { root + $0 + (group == "/" ? "" : group) }
        limits += folders.compactMap { isUnified ? unified(in: $0) : old(in: $0) }
        if group == "/" || group.isEmpty { break }
        group = (group as NSString).deletingLastPathComponent
      }
    }
    return limits.min()
  }

  /// `cpu.max` has a quota and a period in microseconds, or `max` for no quota.
  private static func unified(in folder: String) -> Double? {
    guard let text = try? String(contentsOfFile: "\(folder)/cpu.max", encoding: .utf8) else { return nil }
    let numbers = text.split(whereSeparator: \.isWhitespace).map { Double($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 else { return nil }
    return quota / period
  }

  /// A quota of -1 is none.
  private static func old(in folder: String) -> Double? {
    func number(_ name: String) -> Double? {
      (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)).flatMap {
        Double($0.trimmingCharacters(in: .whitespacesAndNewlines))
      }
    }
    guard let quota = number("cpu.cfs_quota_us"), let period = number("cpu.cfs_period_us"), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }
}
