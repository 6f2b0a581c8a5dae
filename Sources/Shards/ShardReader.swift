import CZstd
import Errors
import Files
import Foundation
import Tokens

/// Reads the frames of one shard, and checks checksum, sizes and token ranges of each. The file is open only while it is read: a dataset
/// may have more shards than a process may open.
package final class ShardReader: Sendable {
  package let path: String
  package let header: ShardHeader
  /// Byte range of each frame of samples in the file, and its size when decompressed.
  private let frames: [(range: Range<Int>, size: Int)]
  private let byteCount: Int

  /// - Throws: `DalleError` for a file that cannot be read, is damaged, or has a different format version.
  package init(_ path: String) throws {
    self.path = path
    let file = try RandomAccessFile(path)
    byteCount = file.size
    let table = try Self.table(file)
    header = try Self.header(file, range: table[0].range)
    frames = Array(table.dropFirst())
    guard frames.count == header.frameCount else {
      throw Self.damage(path, "has \(frames.count) frames (its \(header.samples) samples need \(header.frameCount))")
    }
    // The smallest and the largest size of samples of this shape.
    for (index, frame) in frames.enumerated() {
      let samples = header.samples(inFrame: index)
      let least = samples * 2 * (2 + header.grid * header.grid)
      let most = samples * 2 * (1 + TokenSample.captionLimit * (1 + header.textLength) + header.grid * header.grid)
      guard (least...most).contains(frame.size), frame.size % 2 == 0, frame.size <= Seekable.frameLimit else {
        throw Self.damage(
          path, "frame \(index) claims \(frame.size) bytes for \(samples) samples (\(least) to \(min(most, Seekable.frameLimit)))")
      }
    }
  }

  package var frameCount: Int { frames.count }

  /// The samples of a frame.
  ///
  /// - Throws: `DalleError` for a damaged frame.
  package func frame(_ index: Int) throws -> ShardFrame {
    let entry = frames[index]
    let file = try RandomAccessFile(path)
    guard file.size == byteCount else {
      throw DalleError(
        .data, "\(path): has \(file.size) bytes, and had \(byteCount) before; another job has replaced it: start again")
    }
    let compressed = try Self.read(file, entry.range)
    // The frame must claim the same size, so that a damaged seek table does not decide how much memory is allocated.
    guard ZSTD_getFrameContentSize(compressed, compressed.count) == UInt64(entry.size) else {
      throw Self.damage(path, "frame \(index) is damaged, or does not have the \(entry.size) bytes of its seek table entry")
    }
    var result: Int = 0
    let tokens = [Token](unsafeUninitializedCapacity: entry.size / 2) { tokens, count in
      result = ZSTD_decompress(tokens.baseAddress, entry.size / 2 * 2, compressed, compressed.count)
      count = ZSTD_isError(result) == 0 ? result / 2 : 0
    }
    guard ZSTD_isError(result) == 0 else {
      throw Self.damage(path, "frame \(index) is damaged: \(String(cString: ZSTD_getErrorName(result)))")
    }
    guard result == entry.size else {
      throw Self.damage(path, "frame \(index) has \(result) bytes, expected \(entry.size)")
    }
    do {
      return try ShardFrame(tokens, samples: header.samples(inFrame: index), header)
    } catch { throw Self.damage(path, "frame \(index)\(error.problem)") }
  }

  /// Checks that the shard was encoded with the tokenizer, the dVAE and the shape of `expected`.
  ///
  /// - Throws: `DalleError` that names the differences.
  package func check(_ expected: ShardHeader) throws {
    var (actual, expected) = (header, expected)
    (actual.samples, expected.samples) = (0, 0)
    guard actual == expected else {
      throw DalleError(
        .data,
        "\(path): does not match: \(Self.difference(actual, expected)); encode the dataset again with this model and configuration, or use the model that the shard was encoded with"
      )
    }
  }

  private static func damage(_ path: String, _ problem: String) -> DalleError {
    DalleError(.data, "\(path): \(problem); remove it and encode the dataset again")
  }

  private static func difference(_ actual: ShardHeader, _ expected: ShardHeader) -> String {
    let fields: [(String, String, String)] = [
      ("tokenizer SHA-256", String(actual.tokenizer.prefix(12)), String(expected.tokenizer.prefix(12))),
      ("dVAE SHA-256", String(actual.dvae.prefix(12)), String(expected.dvae.prefix(12))),
      ("text length", "\(actual.textLength)", "\(expected.textLength)"), ("grid", "\(actual.grid)", "\(expected.grid)"),
      ("text vocabulary", "\(actual.textVocabulary)", "\(expected.textVocabulary)"),
      ("image vocabulary", "\(actual.imageVocabulary)", "\(expected.imageVocabulary)"),
      ("samples per frame", "\(actual.frameSamples)", "\(expected.frameSamples)"),
    ]
    return fields.filter { $0.1 != $0.2 }.map { "\($0.0) is \($0.1), expected \($0.2)" }.joined(separator: "; ")
  }

  private static func table(_ file: RandomAccessFile) throws -> [(range: Range<Int>, size: Int)] {
    let (path, fileSize) = (file.path, file.size)
    guard fileSize >= 8 + Seekable.footerSize else {
      throw damage(path, "has \(fileSize) bytes (a shard has at least \(8 + Seekable.footerSize))")
    }
    let footer = try read(file, fileSize - Seekable.footerSize..<fileSize)
    guard footer.uint32(at: 5) == Seekable.footerMagic else {
      throw damage(path, "does not end in a seek table, it is cut off or not a shard")
    }
    let count = Int(footer.uint32(at: 0))
    guard footer[4] == 0 else { throw damage(path, "its seek table has descriptor \(footer[4]), expected 0") }
    let tableSize = count * Seekable.entrySize + Seekable.footerSize
    guard count >= 1, tableSize + 8 <= fileSize else {
      throw damage(path, "its seek table claims \(count) frames in \(fileSize) bytes")
    }
    let start = fileSize - tableSize - 8
    let bytes = try read(file, start..<fileSize)
    guard bytes.uint32(at: 0) == Seekable.tableMagic, Int(bytes.uint32(at: 4)) == tableSize else {
      throw damage(path, "its seek table is not in a frame of \(tableSize) bytes")
    }
    var offset = 0
    let frames = (0..<count).map { index in
      let size = Int(bytes.uint32(at: 8 + index * Seekable.entrySize))
      defer { offset += size }
      return (range: offset..<offset + size, size: Int(bytes.uint32(at: 12 + index * Seekable.entrySize)))
    }
    guard offset == start else {
      throw damage(path, "its seek table has \(offset) bytes of frames (\(start) precede it)")
    }
    return frames
  }

  private static func header(_ file: RandomAccessFile, range: Range<Int>) throws -> ShardHeader {
    let path = file.path
    let bytes = try read(file, range)
    guard bytes.count >= 8, bytes.uint32(at: 0) == Seekable.headerMagic, Int(bytes.uint32(at: 4)) == bytes.count - 8 else {
      throw damage(path, "does not start with a header")
    }
    guard let header = try? JSONDecoder().decode(ShardHeader.self, from: Data(bytes[8...])) else {
      throw damage(path, "its header cannot be parsed")
    }
    guard header.version == ShardHeader.currentVersion else {
      throw DalleError(
        .data,
        "\(path): has format version \(header.version) (this program reads version \(ShardHeader.currentVersion)); encode the dataset again"
      )
    }
    for (name, value, range) in [
      ("textLength", header.textLength, 0...65_535), ("grid", header.grid, 1...4096),
      ("textVocabulary", header.textVocabulary, 1...65_536), ("imageVocabulary", header.imageVocabulary, 1...65_536),
      ("samples", header.samples, 0...1 << 32), ("frameSamples", header.frameSamples, 1...1 << 32),
    ] where !range.contains(value) {
      throw damage(path, "its header has \(name) \(value) (\(range.lowerBound) to \(range.upperBound))")
    }
    return header
  }

  private static func read(_ file: RandomAccessFile, _ range: Range<Int>) throws -> [UInt8] {
    guard range.upperBound <= file.size else {
      throw damage(file.path, "ends at byte \(file.size), but its seek table needs \(range.upperBound) bytes")
    }
    return try file.read(range)
  }
}
