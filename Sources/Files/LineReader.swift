import Errors
import Foundation

/// The lines of a file, one after the other, in memory of a few blocks however long the file is.
package struct LineReader {
  /// A line without its line break.
  package struct Line {
    /// Counted from 1.
    package let number: Int
    package let bytes: Data
    /// The line was longer than the limit; `bytes` holds its beginning.
    package let isCut: Bool
  }

  /// Bytes that a line may have; what comes after them is passed over.
  package static let limit = 8 << 20

  private let path: String
  private let file: FileHandle
  private var buffer = Data()
  private var number = 0

  package init(_ path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// The next line, or nil at the end of the file.
  package mutating func next() throws -> Line? {
    var line = Data()
    var isCut = false
    var isEmpty = true
    while true {
      if buffer.isEmpty {
        do {
          buffer = try file.read(upToCount: 1 << 20) ?? Data()
        } catch { throw DalleError.file(path, "cannot be read", error) }
        if buffer.isEmpty { break }
      }
      isEmpty = false
      let end = buffer.firstIndex(of: UInt8(ascii: "\n"))
      let part = buffer[buffer.startIndex..<(end ?? buffer.endIndex)]
      isCut = isCut || line.count + part.count > Self.limit
      line += part.prefix(Self.limit - line.count)
      buffer = end.map { buffer[($0 + 1)...] } ?? Data()
      if end != nil { break }
    }
    if isEmpty { return nil }
    number += 1
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    return Line(number: number, bytes: line, isCut: isCut)
  }
}
