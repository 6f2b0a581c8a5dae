import Errors
import Files

/// A PNG file with its size.
struct PNGFile {
  let bytes: [UInt8]
  let width: Int
  let height: Int

  /// - Throws: `DalleError`.
  init(_ path: String) throws {
    bytes = Array(try readFile(path))
    // Signature, then the first chunk: length, "IHDR", width, height.
    guard bytes.count >= 24, bytes.starts(with: [137, 80, 78, 71, 13, 10, 26, 10]), Array(bytes[12..<16]) == Array("IHDR".utf8)
    else {
      throw DalleError(.data, "\(path): is no PNG file; remove it")
    }
    width = bytes[16..<20].reduce(0) { $0 << 8 | Int($1) }
    height = bytes[20..<24].reduce(0) { $0 << 8 | Int($1) }
  }
}
