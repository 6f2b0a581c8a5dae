import Errors
import Foundation
import MPI
import Memory
import Parallel

#if canImport(Glibc)
  import Glibc
#endif

/// Names the rank that died without a word: killed, out of memory, crashed. mpirun then ends the job. It begins with SIGCONT to the
/// ranks that are left, and the first of them on the machine reports who is missing.
enum DeadRanks {
  /// What a rank of this machine tells its neighbours in shared memory.
  private struct Neighbour {
    let process: pid_t
    /// Not 0 once the rank reports itself why it ends.
    let hasReported: UnsafeMutablePointer<UInt64>
    let message: UnsafeMutablePointer<CChar>
  }

  // Written by `watch` before the first signal can come, and read by the signal's handler, which may not allocate.
  nonisolated(unsafe) private static var neighbours = UnsafeMutableBufferPointer<Neighbour>(start: nil, count: 0)
  nonisolated(unsafe) private static var own = 0

  /// Processes that the kernel had killed for want of memory when the ranks began; and what is written if there are more.
  nonisolated(unsafe) private static var memoryKills = 0
  nonisolated(unsafe) private static var memoryMessage: UnsafeMutablePointer<CChar>?
  /// For /proc/vmstat.
  nonisolated(unsafe) private static var buffer = UnsafeMutableBufferPointer<CChar>(start: nil, count: 0)

  /// What `neighbours` points into.
  nonisolated(unsafe) private static var memory: NodeMemory?

  /// Collective.
  static func watch(_ world: Communicator) throws {
    let machine = try world.splitByMemory()
    let memory = try NodeMemory(machine, byteCount: MemoryLayout<UInt64>.stride)
    let processes = try machine.allGather(getpid())
    let ranks = try machine.allGather(world.rank)
    let host = ProcessInfo.processInfo.hostName
    let all = UnsafeMutableBufferPointer<Neighbour>.allocate(capacity: machine.size)
    for index in 0..<machine.size {
      let text =
        "\(Program.name): rank \(ranks[index]) (process \(processes[index]) on \(host)) has died: it was killed, ran out of memory or crashed\n"
      all.initializeElement(
        at: index,
        to: Neighbour(
          process: processes[index], hasReported: memory.segments[index].assumingMemoryBound(to: UInt64.self), message: strdup(text)
        ))
    }
    own = machine.rank
    buffer = .allocate(capacity: 1 << 16)
    memoryKills = countMemoryKills()
    memoryMessage = strdup(
      "\(Program.name): the kernel of \(host) has killed a process meanwhile, because memory ran out (oom_kill in /proc/vmstat): start fewer "
        + "ranks per host, or set microBatch lower\n")
    neighbours = all
    self.memory = memory
  }

  /// The other ranks of this machine.
  static var otherProcesses: [pid_t] { neighbours.indices.filter { $0 != own }.map { neighbours[$0].process } }

  /// This rank reports itself why it ends.
  static func willReport() {
    if !neighbours.isEmpty { SharedCounter(neighbours[own].hasReported).publish(1) }
  }

  /// Nobody is watched any more.
  static func stop() { neighbours = UnsafeMutableBufferPointer(start: nil, count: 0) }

  /// Called by the handler of SIGCONT.
  static func report() {
    for index in 0..<neighbours.count where index != own && kill(neighbours[index].process, 0) == 0 {
      if index < own { return }  // that one reports
      break
    }
    var someoneDied = false
    for index in 0..<neighbours.count
    where kill(neighbours[index].process, 0) != 0 && SharedCounter(neighbours[index].hasReported).value == 0 {
      _ = write(2, neighbours[index].message, strlen(neighbours[index].message))
      someoneDied = true
    }
    if someoneDied, let memoryMessage, countMemoryKills() > memoryKills { _ = write(2, memoryMessage, strlen(memoryMessage)) }
  }

  /// Of the machine, since it was started; 0 where the kernel does not count. A signal's handler may call it.
  private static func countMemoryKills() -> Int {
    let file = open("/proc/vmstat", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var count = 0
    while count < buffer.count - 1 {
      let more = read(file, buffer.baseAddress! + count, buffer.count - 1 - count)
      if more <= 0 { break }
      count += more
    }
    buffer[count] = 0
    guard let found = strstr(buffer.baseAddress!, "\noom_kill ") else { return 0 }
    return atol(found + 10)
  }
}
