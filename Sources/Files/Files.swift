import Errors
import Foundation

/// Puts a file in place whole or not at all: writes beside it, forces it to disk, renames it over whatever is there.
package func replaceFile(_ path: String, with bytes: some ContiguousBytes) throws {
  let file = try PartialFile(path)
  try bytes.withUnsafeBytes(file.write)
  try file.finish()
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

/// Forces an open file's bytes to disk. Where the file system cannot do that, a warning says so, once; `path` names it in errors.
package func synchronize(_ descriptor: Int32, _ path: String) throws {
  guard fsync(descriptor) != 0 else { return }
  let code = errno
  guard [EINVAL, EOPNOTSUPP, ENOSYS].contains(code) else { throw DalleError.file(path, "cannot be forced to disk", code: code) }
  FileWarnings.warn(
    "files are not forced to disk",
    "\(path): files cannot be forced to disk here (\(String(cString: strerror(code)))); after a power cut the newest may be damaged: "
      + "keep the folder on a disk of your own if that matters")
}

/// Forces a folder's entries to disk, so that a rename survives a power cut. Where the file system cannot do that (CIFS, some FUSE),
/// or the folder must not be read, a warning says so, once.
package func synchronizeFolder(_ path: String) throws {
  let folder = path.isEmpty ? "." : path
  let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
  defer { if descriptor >= 0 { close(descriptor) } }
  if descriptor >= 0, fsync(descriptor) == 0 { return }
  let code = errno
  guard [EINVAL, EOPNOTSUPP, ENOSYS, EBADF, EACCES, EPERM].contains(code) else {
    throw DalleError.file(folder, "cannot be forced to disk", code: code)
  }
  FileWarnings.warn(
    "folders are not forced to disk",
    "\(folder): folders cannot be forced to disk here (\(String(cString: strerror(code)))); after a power cut the newest files may be "
      + "missing: keep the folder on a disk of your own if that matters")
}

/// Makes a folder and those above it, each forced to disk; nothing happens if it exists.
///
/// - Throws: `DalleError` of kind `usage` where a file is in the way.
package func makeFolder(_ path: String) throws {
  let parent = (path as NSString).deletingLastPathComponent
  func make() throws -> Bool {
    guard mkdir(path, 0o755) == 0 else { return false }
    try synchronizeFolder(parent)
    return true
  }
  if try make() { return }
  if errno == ENOENT, !parent.isEmpty, parent != path {
    try makeFolder(parent)
    if try make() { return }
  }
  let code = errno
  if isFolder(path) { return }
  if code == EEXIST {
    if brokenLink(in: path) != nil { throw DalleError.file(path, "the folder cannot be made", code: ENOENT) }
    throw fileInPlace(of: path)
  }
  if code == ENOTDIR { throw filePart(of: path) }
  throw DalleError.file(path, "the folder cannot be made", code: code)
}

/// Refuses a path at which no folder can be or be made, for what is to be written after long work. Makes nothing.
///
/// - Throws: `DalleError` of kind `usage` where a file is in the way, and of kind `inputOutput` where nothing may be written.
package func checkFolder(_ path: String) throws {
  var folder = path
  while !FileManager.default.fileExists(atPath: folder) {
    let parent = (folder as NSString).deletingLastPathComponent
    folder = parent.isEmpty ? "." : parent
  }
  guard isFolder(folder) else { throw folder == path ? fileInPlace(of: path) : filePart(of: path) }
  guard access(folder, W_OK | X_OK) == 0 else { throw DalleError.file(folder, "files cannot be created in this folder") }
}

private func isFolder(_ path: String) -> Bool {
  var isFolder: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
}

private func fileInPlace(of path: String) -> DalleError {
  DalleError(.usage, "\(path): is a file, and a folder is needed here; name another folder")
}

private func filePart(of path: String) -> DalleError {
  DalleError(.usage, "\(path): a part of this path is a file, not a folder; name another folder")
}

/// Names in a folder, in no order.
///
/// - Throws: `DalleError` if it cannot be listed.
package func namesInFolder(_ path: String) throws -> [String] {
  do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
    throw DalleError.file(path, "cannot be listed", error)
  }
}

/// Removes a file, or a folder with all that it holds.
///
/// - Throws: `DalleError` that names the first part that stays.
package func removeAll(_ path: String) throws {
  var status = stat()
  guard lstat(path, &status) == 0 else { throw DalleError.file(path, "cannot be removed") }
  let isFolder = status.st_mode & S_IFMT == S_IFDIR
  if isFolder { for name in try namesInFolder(path) { try removeAll("\(path)/\(name)") } }
  guard (isFolder ? rmdir(path) : unlink(path)) == 0 else { throw DalleError.file(path, "cannot be removed") }
}

/// Bytes that can still be written to the disk of a file or folder; nil where the system does not say.
package func freeByteCount(_ path: String) -> Int? {
  var info = statvfs()
  return statvfs(path, &info) == 0 ? Int(info.f_bavail) * Int(info.f_frsize) : nil
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
