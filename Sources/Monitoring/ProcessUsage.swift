import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// Bytes of memory that this process has resident.
package func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  let fields = text.split(separator: " ")
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) : 0
}

/// Peak resident bytes of this process.
package func peakResidentBytes() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss * 1024
}

/// Seconds that this process has used of processors, on all of its threads.
func usedProcessorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Seconds since this process was started.
package func processSeconds() -> Double {
  // Field 22 of stat, in clock ticks since the machine started; the name in field 2 may hold blanks.
  guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8), let name = stat.lastIndex(of: ")") else {
    return 0
  }
  let fields = stat[name...].split(separator: " ")
  var now = timespec()
  clock_gettime(CLOCK_BOOTTIME, &now)
  let started = Double(fields[20]).map { $0 / Double(sysconf(Int32(_SC_CLK_TCK))) } ?? 0
  return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - started
}
