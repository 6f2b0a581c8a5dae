import Errors
import Files
import Foundation

/// A file of JSON objects, one per line, that grows at its end.
final class LogFile {
  private let path: String
  private let descriptor: Int32
  private let encoder = JSONEncoder()

  /// Opens or makes the file. A last line that a crash cut off is closed.
  ///
  /// - Throws: `DalleError` of kind `inputOutput`.
  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // JSON has no infinity; a diverged loss is written as a string.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let end = byteCount
    if end > 0, try read(end - 1..<end) != Data("\n".utf8) { try append(Data("\n".utf8)) }
  }

  deinit { close(descriptor) }

  private var byteCount: Int { Int(lseek(descriptor, 0, SEEK_END)) }

  /// Adds a line; returns its bytes.
  @discardableResult func append(_ value: some Encodable) throws -> Int {
    let line = try encoder.encode(value) + Data("\n".utf8)
    try append(line)
    return line.count
  }

  /// Waits until all lines are on disk.
  func synchronize() { fsync(descriptor) }

  /// Removes lines from the end, as long as `isSuperfluous`.
  func removeLast(while isSuperfluous: (Data) -> Bool) throws {
    var end = byteCount
    // Bytes of the file from `start` up to `end`.
    var (start, tail) = (end, Data())
    while end > 0 {
      // The line that ends at `end`, without its line end.
      guard let previous = tail.dropLast().lastIndex(of: UInt8(ascii: "\n")) else {
        if start == 0 {
          if isSuperfluous(tail.dropLast()) { end = 0 }
          break
        }
        let first = max(0, start - 65_536)
        tail = try read(first..<start) + tail
        start = first
        continue
      }
      let line = tail[(previous + 1)...].dropLast()
      guard isSuperfluous(line) else { break }
      end -= tail.endIndex - (previous + 1)
      tail = tail[...previous]
    }
    guard ftruncate(descriptor, off_t(end)) == 0 else { throw DalleError.file(path, "cannot be shortened") }
  }

  private func read(_ range: Range<Int>) throws -> Data {
    var data = Data(count: range.count)
    let count = data.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, range.count, off_t(range.lowerBound)) }
    guard count == range.count else { throw DalleError.file(path, "cannot be read") }
    return data
  }

  private func append(_ line: Data) throws { try line.withUnsafeBytes { try writeAll($0, to: descriptor, path) } }
}
