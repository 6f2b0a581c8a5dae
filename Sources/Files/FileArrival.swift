import Errors
import Foundation

/// Waits until a file that another rank has finished is visible on this host with all its bytes, which may take a network file
/// system some seconds.
///
/// - Throws: `DalleError` of kind `unavailable` that names file and host, after `seconds`.
package func awaitFile(_ path: String, byteCount: Int, seconds: Double = 60) throws {
  let end = ContinuousClock.now + .seconds(seconds)
  var pause = 0.001
  while true {
    var status = stat()
    // Opening asks the server again; `stat` alone may be answered from what this host remembers.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    let found = descriptor >= 0 && fstat(descriptor, &status) == 0 ? Int(status.st_size) : nil
    if descriptor >= 0 { close(descriptor) }
    if found == byteCount { return }
    guard ContinuousClock.now < end else {
      throw DalleError(
        .unavailable,
        "\(path): \(found.map { "has \($0) bytes" } ?? "is not there") on \(ProcessInfo.processInfo.hostName), \(Int(seconds)) s "
          + "after another rank wrote \(byteCount) bytes; put the folder on a file system that all hosts share, and start again")
    }
    usleep(UInt32(pause * 1e6))
    pause = min(1, pause * 2)
  }
}
