import CDNN
import COpenBLAS

#if canImport(Glibc)
import Glibc
#endif

/// The threads that one process's products and convolutions use; normally cores / ranks on this node.
public func setThreads(_ count: Int) {
  openblas_set_num_threads(Int32(count))
  cdnn_set_threads(Int32(count))
}

/// Cores that a process may run on: fewer than the machine has under `taskset`, Slurm or a container's limit.
public struct UsableCores: Sendable {
  public let count: Int
  /// Equal for processes that may run on the same cores.
  public let fingerprint: UInt64

  public init() {
    var set = cpu_set_t()
    let known = sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0
    let bytes = withUnsafeBytes(of: &set) { Array($0) }
    count = known ? max(1, bytes.reduce(0) { $0 + $1.nonzeroBitCount }) : 1
    fingerprint = bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
