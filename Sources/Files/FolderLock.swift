import Errors
import Foundation

/// Keeps a second job out of a folder: a lock on the file `lock` in it, held as long as this object lives. When the process ends,
/// however it ends, the kernel takes the lock back; the file then stays, without effect.
package final class FolderLock {
  /// Who holds a lock, for the message of those who are refused.
  private struct Holder: Codable {
    var host = ProcessInfo.processInfo.hostName
    var process = getpid()
    var started = Date().ISO8601Format()
    var command = Program.arguments.joined(separator: " ")
  }

  private let path: String
  private let descriptor: Int32

  /// Locks a folder that exists.
  ///
  /// - Parameter warn: gets a line where the file system has no locks; the folder is then not protected.
  /// - Throws: `DalleError` of kind `temporary` that names host, process and start time of the job that holds the lock; of kind
  ///   `inputOutput` where the file cannot be made.
  package init(_ folder: String, warn: (String) throws -> Void) throws {
    path = folder + "/lock"
    descriptor = try Self.open(path, warn: warn)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = try encoder.encode(Holder()) + Data("\n".utf8)
    // Whoever is refused reads it; where it cannot be written (a full disk), the lock holds all the same.
    _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress!, $0.count, 0) }
  }

  deinit {
    unlink(path)
    close(descriptor)
  }

  private static func open(_ path: String, warn: (String) throws -> Void) throws -> Int32 {
    var tries = 0
    while true {
      let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw DalleError.file(path, "cannot be created")
      }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        if [ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL].contains(code) {
          try warn(
            "\(path): the file system has no locks (\(String(cString: strerror(code)))); see that one job at a time uses the folder"
          )
          return descriptor
        }
        close(descriptor)
        throw code == EWOULDBLOCK
          ? refusal(path) : DalleError.file(path, "cannot be locked", code: code)
      }
      // The holder before may have removed the file between our opening and locking it: then we have locked none.
      tries += 1
      if tries > maximumTries || isFile(descriptor, at: path) {
        ftruncate(descriptor, 0)
        return descriptor
      }
      close(descriptor)
    }
  }

  private static func refusal(_ path: String) -> DalleError {
    let folder = (path as NSString).deletingLastPathComponent
    let holder = FileManager.default.contents(atPath: path).flatMap { try? JSONDecoder().decode(Holder.self, from: $0) }
    let job =
      holder.map { "process \($0.process) on \($0.host), started \($0.started): \($0.command)" }
      ?? "it has not yet written its name"
    return DalleError(
      .temporary, "\(folder): another job uses this folder (\(job)); wait until it ends, stop it, or name another folder")
  }
}
