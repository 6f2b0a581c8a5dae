import Errors
import Foundation

/// Values of a fixed size in a file, read from it one by one: the file may be larger than memory, and one that another process cuts
/// off meanwhile gives an error.
package final class RecordFile<Record: BitwiseCopyable>: Sendable {
  private let file: RandomAccessFile
  package let count: Int

  package init(_ path: String) throws {
    file = try RandomAccessFile(path)
    guard file.size % MemoryLayout<Record>.stride == 0 else {
      throw DalleError(
        .data,
        "\(path): has \(file.size) bytes, which is no multiple of \(MemoryLayout<Record>.stride); it is damaged: remove its folder and make it again"
      )
    }
    count = file.size / MemoryLayout<Record>.stride
  }

  /// Record `index`, counted from 0.
  package func record(_ index: Int) throws -> Record {
    precondition((0..<count).contains(index), "record \(index) of \(count)")
    let size = MemoryLayout<Record>.stride
    return try file.read(index * size..<(index + 1) * size).withUnsafeBytes { $0.loadUnaligned(as: Record.self) }
  }
}
