import CDNN
import COpenBLAS

/// The threads that one process's products and convolutions use; normally cores / ranks on this node.
public func setThreads(_ count: Int) {
  openblas_set_num_threads(Int32(count))
  cdnn_set_threads(Int32(count))
}
