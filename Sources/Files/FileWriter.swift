import Foundation

/// Writes a long file piece by piece; it gets its name when it is complete, and goes away if it never is.
package final class FileWriter {
  private let file: PartialFile
  private var buffer = Data()
  /// Bytes written so far.
  package private(set) var count = 0

  package init(_ path: String) throws { file = try PartialFile(path) }

  package func write(_ bytes: some DataProtocol) throws {
    buffer.append(contentsOf: bytes)
    count += bytes.count
    if buffer.count >= 1 << 20 { try flush() }
  }

  /// Forces the file to disk and gives it its name.
  package func finish() throws {
    try flush()
    try file.finish()
  }

  private func flush() throws {
    try buffer.withUnsafeBytes(file.write)
    buffer.removeAll(keepingCapacity: true)
  }
}
