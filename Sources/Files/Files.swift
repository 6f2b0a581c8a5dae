import Errors
import Foundation

/// Puts a file in place whole or not at all: writes beside it, forces it to disk, renames it over whatever is there.
package func replaceFile(_ path: String, with bytes: some ContiguousBytes) throws {
  let temporary = path + ".partial"
  let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
  defer { close(descriptor) }
  do {
    try bytes.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw DalleError.file(path, "cannot be written") }
    try synchronizeFolder((path as NSString).deletingLastPathComponent)
  } catch {
    unlink(temporary)
    throw error
  }
}

/// Writes every byte to an open file; `path` names it in errors.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
  var done = 0
  while done < bytes.count {
    let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { throw DalleError.file(path, "cannot be written") }
    done += count
  }
}

/// Forces a folder's entries to disk, so that a rename survives a power cut.
package func synchronizeFolder(_ path: String) throws {
  let folder = path.isEmpty ? "." : path
  let descriptor = open(folder, O_RDONLY)
  guard descriptor >= 0 else { throw DalleError.file(folder, "cannot be opened") }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw DalleError.file(folder, "cannot be forced to disk") }
}

/// Makes a folder and those above it; nothing happens if it exists.
///
/// - Throws: `DalleError` of kind `usage` where a file is in the way.
package func makeFolder(_ path: String) throws {
  if mkdir(path, 0o755) == 0 { return }
  if errno == ENOENT, case let parent = (path as NSString).deletingLastPathComponent, !parent.isEmpty, parent != path {
    try makeFolder(parent)
    if mkdir(path, 0o755) == 0 { return }
  }
  let code = errno
  var isFolder: ObjCBool = false
  if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
  if code == EEXIST { throw DalleError(.usage, "\(path): is a file, and a folder is needed here; name another folder") }
  if code == ENOTDIR { throw DalleError(.usage, "\(path): a part of this path is a file, not a folder; name another folder") }
  throw DalleError.file(path, "the folder cannot be made", code: code)
}

/// Bytes in a plain file; anything else is an error.
package func fileSize(_ path: String) throws -> Int {
  var status = stat()
  guard stat(path, &status) == 0 else { throw DalleError.file(path, "cannot be opened") }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw DalleError(.data, "\(path): is a folder, a pipe or a device; name a plain file")
  }
  return Int(status.st_size)
}

/// The bytes of a whole file.
package func readFile(_ path: String) throws -> Data {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
  do {
    return try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).readToEnd() ?? Data()
  } catch {
    throw DalleError.file(path, "cannot be read", error)
  }
}
