import Foundation

/// Cores that this process may run on: fewer than the machine has under `taskset`, Slurm or a container's limit.
package struct UsableCores: Sendable {
  package let count: Int
  /// The kernel's hexadecimal mask; equal for processes that may run on the same cores.
  package let mask: String

  package init() {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
    mask = String(line.dropFirst("Cpus_allowed:".count).filter { !$0.isWhitespace })
    count = max(1, mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount })
  }
}
