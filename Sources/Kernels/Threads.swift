import CDNN
import COpenBLAS

/// Set once, before anything is computed; of the process, as the thread counts of OpenBLAS and oneDNN are.
nonisolated(unsafe) private var threads = 1

/// The threads that one process's GEMMs and convolutions use; normally cores / ranks on this node.
public func setThreads(_ count: Int) {
  threads = count
  openblas_set_num_threads(Int32(count))
  cdnn_set_threads(Int32(count))
}

/// Those that are set.
public var threadCount: Int { threads }

/// Calls `body` with consecutive parts of `0..<count`, each on a thread of its own.
func forEachPart(of count: Int, _ body: (Range<Int>) -> Void) {
  let parts = min(threads, count)
  if parts < 2 { return body(0..<count) }
  withoutActuallyEscaping(body) { body in
    var call: (Int) -> Void = { body(count * $0 / parts..<count * ($0 + 1) / parts) }
    withUnsafeMutablePointer(to: &call) { context in
      cdnn_parallel(Int32(parts), { $1!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int($0)) }, context)
    }
  }
}
