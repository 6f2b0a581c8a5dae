import Errors
import Files
import Foundation

/// Passes on the complete lines of a file that grows, each once. A file that was cut or replaced, as a job does that resumes from an
/// earlier step, is read from its beginning again.
struct LineFollower {
  let path: String
  /// Bytes at the end of the file that are of interest; all by default.
  private let tail: Int
  /// Where the first line that was not passed on begins; nil before the first reading.
  private var offset: Int?
  /// The last bytes before `offset`: where they changed, the file is another one.
  private var passed: [UInt8] = []
  private var seen = FileState()
  /// Where the rest of a line begins that is not wanted: it is too long, or began before the tail.
  private var isInsideLine = false

  /// What tells that a file has not changed.
  private struct FileState: Equatable {
    var device: UInt64 = 0
    var inode: UInt64 = 0
    var size = -1
    var seconds = 0
    var nanoseconds = 0
  }

  private static let block = 4 << 20
  /// No line of a run is as long; what is longer is damage.
  private static let lineLimit = 16 << 20

  init(_ path: String, tail: Int = .max) { (self.path, self.tail) = (path, tail) }

  /// Reads what is new.
  ///
  /// - Parameters:
  ///   - limit: bytes after which it returns, although there may be more.
  ///   - restart: called before lines that were passed on already come again.
  ///   - line: gets a line without its line break, which follows the bytes.
  /// - Returns: whether all has been read.
  /// - Throws: `DalleError` if the file cannot be read. That there is none is no error.
  mutating func read(limit: Int = .max, restart: () -> Void, line: (UnsafeRawBufferPointer) -> Void) throws -> Bool {
    // Opened by its name each time, because it may be replaced; without waiting, as opening a pipe would.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return true }
      throw DalleError.file(path, "cannot be opened")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw DalleError.file(path, "cannot be read") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw DalleError(.data, "\(path): is no plain file; name the folder of a run") }
    let state = FileState(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec)
    if state == seen { return true }
    if let offset, try !isSameFile(descriptor, state, upTo: offset) {
      (self.offset, passed) = (nil, [])
      restart()
    }
    if offset == nil {
      // A line that begins where the tail does is wanted, which the byte before it tells.
      let start = max(0, state.size - min(tail, state.size) - 1)
      (offset, isInsideLine) = (start, start > 0)
    }
    let isComplete = try readLines(descriptor, upTo: state.size, limit: limit, line)
    if isComplete { seen = state }
    return isComplete
  }

  private func isSameFile(_ descriptor: Int32, _ state: FileState, upTo offset: Int) throws -> Bool {
    if state.size < offset { return false }
    if seen.size >= 0, (state.device, state.inode) != (seen.device, seen.inode) { return false }
    return try Self.read(descriptor, passed.count, at: offset - passed.count, path) == passed
  }

  private mutating func readLines(
    _ descriptor: Int32, upTo size: Int, limit: Int, _ line: (UnsafeRawBufferPointer) -> Void
  ) throws -> Bool {
    var block = Self.block
    var done = 0
    while let start = offset, start < size {
      if done >= limit { return false }
      let bytes = try Self.read(descriptor, min(block, size - start), at: start, path)
      if bytes.isEmpty { return true }
      let used = pass(on: bytes, line)
      if used > 0 {
        passed = (passed + bytes[max(0, used - 64)..<used]).suffix(64)
        offset = start + used
        done += used
        block = Self.block
      } else if bytes.count < block {
        return true  // a line that is being written
      } else if bytes.count < Self.lineLimit {
        block *= 2
      } else {
        isInsideLine = true
        offset = start + bytes.count
        passed = Array(bytes.suffix(64))
      }
    }
    return true
  }

  /// Passes on the complete lines of `bytes`; returns how many bytes these are.
  private mutating func pass(on bytes: [UInt8], _ line: (UnsafeRawBufferPointer) -> Void) -> Int {
    bytes.withUnsafeBytes { bytes in
      var start = 0
      while start < bytes.count, let found = memchr(bytes.baseAddress! + start, 0x0A, bytes.count - start) {
        let end = UnsafeRawPointer(found) - bytes.baseAddress!
        if isInsideLine { isInsideLine = false } else if end > start { line(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) }
        start = end + 1
      }
      return start
    }
  }

  /// Bytes of a part of the file, fewer where it ends.
  private static func read(_ descriptor: Int32, _ count: Int, at offset: Int, _ path: String) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { bytes, done in
      done = 0
      while done < count {
        let more = pread(descriptor, bytes.baseAddress! + done, count - done, off_t(offset + done))
        if more < 0 && errno == EINTR { continue }
        if more < 0 { throw DalleError.file(path, "cannot be read") }
        if more == 0 { break }
        done += more
      }
    }
  }
}
