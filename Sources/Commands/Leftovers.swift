import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// Files through which ranks of a machine send messages (4 MiB per rank). Open MPI removes them, but for those of a job that was
/// killed together with its mpirun; they would fill /dev/shm in time.
enum Leftovers {
  /// Seconds that a file is left alone: a job that is being started has not yet mapped all of its files.
  private static let age = 10

  /// Removes this user's files of this host that no process maps. Running jobs lose nothing in any case: what is mapped stays.
  static func remove() {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let prefixes = [host, String(host.prefix { $0 != "." })].flatMap { host in
      // Decimal in some versions of Open MPI, hexadecimal in others.
      [10, 16].map { "vader_segment.\(host).\(String(geteuid(), radix: $0))." }
    }
    let folder = ProcessInfo.processInfo.environment["OMPI_MCA_btl_vader_backing_directory"] ?? "/dev/shm"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let old = names.filter { name in
      guard prefixes.contains(where: name.hasPrefix) else { return false }
      var status = stat()
      return lstat("\(folder)/\(name)", &status) == 0 && status.st_uid == geteuid() && time(nil) - status.st_mtim.tv_sec >= age
    }
    if old.isEmpty { return }
    let mapped = mappedFiles(in: folder)
    for name in old where !mapped.contains("\(folder)/\(name)") { unlink("\(folder)/\(name)") }
  }

  /// Files of a folder that a process of this machine maps, as far as this user may see.
  private static func mappedFiles(in folder: String) -> Set<String> {
    var found: Set<String> = []
    for process in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] where Int(process) != nil {
      guard let maps = try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8) else { continue }
      for line in maps.split(separator: "\n") {
        guard let start = line.firstIndex(of: "/"), line[start...].hasPrefix("\(folder)/vader_segment.") else { continue }
        found.insert(String(line[start...]))
      }
    }
    return found
  }
}
