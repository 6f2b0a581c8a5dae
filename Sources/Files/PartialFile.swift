import Errors
import Foundation

/// A file under construction: written beside its final name and renamed when it is complete, so that nobody reads half a file.
///
/// Every writer has a file of its own: `PATH.partial`, or `PATH.partial-2` and so on where other jobs write the same file at the same
/// time. Each is locked as long as its writer lives; one without a lock was left by a job that was killed, and the next writer
/// takes it over.
package final class PartialFile {
  private let finalPath: String
  private let path: String
  package let descriptor: Int32
  private var isFinished = false

  /// - Parameter finalPath: where the file will be when it is complete.
  package init(_ finalPath: String) throws {
    self.finalPath = finalPath
    (path, descriptor) = try Self.open(finalPath)
  }

  deinit {
    // Before the lock is given back: afterwards the file may be another writer's.
    if !isFinished { unlink(path) }
    close(descriptor)
  }

  private static func open(_ finalPath: String) throws -> (path: String, descriptor: Int32) {
    var number = 1
    var tries = 0
    while true {
      let path = finalPath + ".partial" + (number == 1 ? "" : "-\(number)")
      let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw DalleError.file(finalPath, "cannot be created") }
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        number += 1
      } else if tries == maximumTries || isFile(descriptor, at: path) {
        // Locked, or on a file system without locks.
        if ftruncate(descriptor, 0) == 0 { return (path, descriptor) }
        let code = errno
        close(descriptor)
        throw DalleError.file(finalPath, "cannot be written", code: code)
      } else {
        tries += 1
      }
      // Otherwise the writer before finished or removed it between our opening and locking it.
      close(descriptor)
    }
  }

  /// Appends bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws { try writeAll(bytes, to: descriptor, finalPath) }

  /// Forces the file to disk and gives it its name.
  package func finish() throws {
    try synchronize(descriptor, finalPath)
    guard rename(path, finalPath) == 0 else { throw DalleError.file(finalPath, "cannot be written") }
    isFinished = true
    try synchronizeFolder((finalPath as NSString).deletingLastPathComponent)
  }
}

/// A file system that numbers its files anew each time they are opened (some FUSE) never shows the file that was opened.
let maximumTries = 100

/// Whether an open file is the one that has this path.
func isFile(_ descriptor: Int32, at path: String) -> Bool {
  var (opened, named) = (stat(), stat())
  return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino
    && opened.st_dev == named.st_dev
}
