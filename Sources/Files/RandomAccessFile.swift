import Errors
import Foundation

/// A file whose parts are read by their place; calls from several threads do not disturb each other.
package final class RandomAccessFile: Sendable {
  package let path: String
  /// Bytes in the file when it was opened.
  package let size: Int
  private let descriptor: Int32

  package init(_ path: String) throws {
    self.path = path
    // Without waiting, as opening a pipe would.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    do {
      size = try fileSize(path)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// The bytes of a part. A file that ends before it is an error.
  package func read(_ range: Range<Int>) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: range.count) { bytes, done in
      done = 0
      while done < range.count {
        let count = pread(descriptor, bytes.baseAddress! + done, range.count - done, off_t(range.lowerBound + done))
        if count < 0 && errno == EINTR { continue }
        if count < 0 { throw DalleError.file(path, "cannot be read") }
        guard count > 0 else {
          throw DalleError(.data, "\(path): ends before byte \(range.upperBound); it is cut off or was changed: restore it")
        }
        done += count
      }
    }
  }
}
