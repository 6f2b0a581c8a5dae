import Files
import Foundation

/// Writes values as JSON, one a line.
final class JSONLinesWriter {
  private let file: FileWriter
  private let encoder = JSONEncoder()

  init(_ path: String) throws {
    file = try FileWriter(path)
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  /// Returns where the line lies in the file.
  @discardableResult
  func write(_ value: some Encodable) throws -> LineLocation {
    let start = file.count
    let line = try encoder.encode(value)
    try file.write(line)
    try file.write([UInt8(ascii: "\n")])
    return LineLocation(offset: start, count: line.count)
  }

  func finish() throws { try file.finish() }
}

/// A line's place in a file, without its line break.
struct LineLocation: BitwiseCopyable {
  var offset: Int
  var count: Int
}

/// Reads a file of JSON lines that this program wrote.
func forEachLine<Value: Decodable>(_ path: String, _ body: (Value) throws -> Void) throws {
  var lines = try LineReader(path)
  let decoder = JSONDecoder()
  while let line = try lines.next() {
    guard let value = try? decoder.decode(Value.self, from: line.bytes) else {
      throw DatasetError("\(path):\(line.number): cannot be understood; the file is damaged")
    }
    try body(value)
  }
}

/// The list of what was left out, counted by reason.
final class SkipList {
  private let file: JSONLinesWriter
  private(set) var counts: [String: Int] = [:]

  init(_ path: String) throws { file = try JSONLinesWriter(path) }

  func add(_ skip: Skip) throws {
    counts[skip.reason.rawValue, default: 0] += 1
    try file.write(skip)
  }

  func finish() throws { try file.finish() }
}
