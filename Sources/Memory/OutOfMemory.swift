import Errors
import Foundation

/// The end of a program to which the system refuses memory. It is no error that a caller could handle: what needs much memory is
/// compared with what is available before it is asked for.
package enum OutOfMemory {
  /// How the program ends. By default with the message on standard error and the exit code of its kind; a program of several ranks sets
  /// another one before it starts threads.
  nonisolated(unsafe) package static var report: (DalleError) -> Never = { error in
    try? FileHandle.standardError.write(contentsOf: Data("\(Program.name): \(error)\n".utf8))
    exit(error.kind.rawValue)
  }

  static func end(_ byteCount: Int) -> Never { report(error(byteCount)) }

  /// A library was refused memory for `work`.
  package static func end(_ work: String) -> Never {
    report(DalleError(.unavailable, "out of memory in \(work). \(advice)"))
  }

  private static let advice = "Use fewer ranks per machine, a smaller microBatch or model, or a higher limit"

  /// The system refused so many bytes.
  static func error(_ byteCount: Int) -> DalleError {
    var available = AvailableMemory.byteCount.map { "\($0) bytes are available" } ?? "what is available is unknown"
    if let limit = AvailableMemory.addressSpace { available += ", of the process's address space (ulimit -v) \(limit) bytes" }
    return DalleError(
      .unavailable,
      "out of memory: \(byteCount) bytes more were needed; \(available). \(advice)")
  }
}
