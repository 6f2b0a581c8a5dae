import Errors
import Foundation

/// Writes values as JSON, one a line.
package final class JSONLinesWriter {
  private let file: FileWriter

  package init(_ path: String) throws {
    file = try FileWriter(path)
  }

  /// Returns where the line lies in the file.
  @discardableResult
  package func write(_ value: some Encodable) throws -> LineLocation {
    let start = file.count
    let line = try JSON.line(value)
    try file.write(line)
    try file.write([UInt8(ascii: "\n")])
    return LineLocation(offset: start, count: line.count)
  }

  package func finish() throws { try file.finish() }
}

/// A line's place in a file, without its line break.
package struct LineLocation: BitwiseCopyable, Sendable {
  package var offset: Int
  package var count: Int
}

/// Reads a file of JSON lines that this program wrote.
package func forEachLine<Value: Decodable>(_ path: String, _ body: (Value) throws -> Void) throws {
  var lines = try LineReader(path)
  let decoder = JSONDecoder()
  while let line = try lines.next() {
    guard let value = try? decoder.decode(Value.self, from: line.bytes) else {
      throw DalleError(.data, "\(path):\(line.number): cannot be parsed; the file is damaged: remove its folder and make it again")
    }
    try body(value)
  }
}
