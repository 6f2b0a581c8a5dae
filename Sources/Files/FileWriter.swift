import Errors
import Foundation

/// Writes a long file piece by piece; it gets its name when it is complete, and goes away if it never is.
package final class FileWriter {
  private let path: String
  private let descriptor: Int32
  private var buffer = Data()
  private var isFinished = false
  /// Bytes written so far.
  package private(set) var count = 0

  package init(_ path: String) throws {
    self.path = path
    descriptor = open(path + ".partial", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
  }

  deinit {
    close(descriptor)
    if !isFinished { unlink(path + ".partial") }
  }

  package func write(_ bytes: some DataProtocol) throws {
    buffer.append(contentsOf: bytes)
    count += bytes.count
    if buffer.count >= 1 << 20 { try flush() }
  }

  /// Forces the file to disk and gives it its name.
  package func finish() throws {
    try flush()
    guard fsync(descriptor) == 0, rename(path + ".partial", path) == 0 else { throw DalleError.file(path, "cannot be written") }
    isFinished = true
    try synchronizeFolder((path as NSString).deletingLastPathComponent)
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    buffer.removeAll(keepingCapacity: true)
  }
}
