import Foundation
import Testing

@testable import Monitoring

/// Machines made of files: what the kernel tells of cores and quotas.
@Suite struct UsableCoresTests {
  private func cores(_ mask: String, cgroup: String, _ files: [String: String] = [:]) throws -> UsableCores {
    let root = NSTemporaryDirectory() + "cores-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    let all = files.merging(["/proc/self/status": "Name:\tx\nCpus_allowed:\t\(mask)\n", "/proc/self/cgroup": cgroup]) { $1 }
    for (path, text) in all {
      let url = URL(fileURLWithPath: root + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    return UsableCores(root: root)
  }

  @Test func countsTheMask() throws {
    #expect(try cores("ff,ffffffff", cgroup: "0::/\n").count == 40)
    #expect(try cores("3", cgroup: "0::/\n").text == "2 cores")
  }

  @Test func roundsAQuotaOfVersion2Down() throws {
    let cores = try cores("ff", cgroup: "0::/job/step\n", ["/sys/fs/cgroup/job/cpu.max": "250000 100000\n"])
    #expect(cores.count == 2)
    #expect(cores.text == "2 cores of 8 by a CPU quota of 2.5")
  }

  @Test func readsAQuotaOfVersion1() throws {
    let folder = "/sys/fs/cgroup/cpu/docker"
    let files = ["\(folder)/cpu.cfs_quota_us": "50000\n", "\(folder)/cpu.cfs_period_us": "100000\n"]
    #expect(try cores("ff", cgroup: "4:cpu,cpuacct:/docker\n", files).count == 1)
  }

  @Test func takesTheLeastLimitAbove() throws {
    let files = ["/sys/fs/cgroup/cpu.max": "300000 100000\n", "/sys/fs/cgroup/a/cpu.max": "max 100000\n"]
    #expect(try cores("ff", cgroup: "0::/a\n", files).count == 3)
  }

  @Test func noQuotaIsNone() throws {
    let folder = "/sys/fs/cgroup/cpu"
    let files = ["\(folder)/cpu.cfs_quota_us": "-1\n", "\(folder)/cpu.cfs_period_us": "100000\n"]
    #expect(try cores("f", cgroup: "1:cpu:/\n", files).quota == nil)
  }
}
