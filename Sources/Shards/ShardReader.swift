import CZstd
import Errors
import Files
import Foundation

/// Reads the frames of one shard, each checked: checksum, sizes, token ranges.
package final class ShardReader: Sendable {
  package let path: String
  package let header: ShardHeader
  /// Where each frame of samples lies in the file, and its size when decompressed.
  private let frames: [(range: Range<Int>, size: Int)]
  private let file: RandomAccessFile

  package init(_ path: String) throws {
    self.path = path
    file = try RandomAccessFile(path)
    let table = try Self.table(file)
    header = try Self.header(file, range: table[0].range)
    frames = Array(table.dropFirst())
    guard frames.count == header.frameCount else {
      throw Self.damage(path, "has \(frames.count) frames, but \(header.samples) samples need \(header.frameCount)")
    }
    // The smallest and the largest that samples of this shape can take.
    for (index, frame) in frames.enumerated() {
      let samples = header.samples(inFrame: index)
      let least = samples * 2 * (2 + header.grid * header.grid)
      let most = samples * 2 * (1 + TokenSample.captionLimit * (1 + header.textLength) + header.grid * header.grid)
      guard (least...most).contains(frame.size), frame.size % 2 == 0, frame.size <= Seekable.frameLimit else {
        throw Self.damage(path, "frame \(index) claims \(frame.size) bytes for \(samples) samples; at most \(Seekable.frameLimit)")
      }
    }
  }

  package var frameCount: Int { frames.count }

  /// The samples of a frame, checked.
  package func frame(_ index: Int) throws -> ShardFrame {
    let entry = frames[index]
    let compressed = try Self.read(file, entry.range)
    // Memory is taken only for what the frame itself says, too.
    guard ZSTD_getFrameContentSize(compressed, compressed.count) == UInt64(entry.size) else {
      throw Self.damage(path, "frame \(index) is damaged, or is not one of \(entry.size) bytes as the seek table says")
    }
    var result: Int = 0
    let tokens = [UInt16](unsafeUninitializedCapacity: entry.size / 2) { tokens, count in
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

  /// Throws unless the shard was made with the tokenizer, the dVAE and the shape of `expected`.
  package func check(_ expected: ShardHeader) throws {
    var (ours, theirs) = (header, expected)
    (ours.samples, theirs.samples) = (0, 0)
    guard ours == theirs else {
      throw DalleError(
        .data,
        "\(path): was made for another run: \(Self.difference(ours, theirs)); encode the dataset again with this model, or name the model that made it"
      )
    }
  }

  private static func damage(_ path: String, _ problem: String) -> DalleError {
    DalleError(.data, "\(path): \(problem); remove it and encode the dataset again")
  }

  private static func difference(_ ours: ShardHeader, _ theirs: ShardHeader) -> String {
    let fields: [(String, String, String)] = [
      ("tokenizer SHA-256", String(ours.tokenizer.prefix(12)), String(theirs.tokenizer.prefix(12))),
      ("dVAE SHA-256", String(ours.dvae.prefix(12)), String(theirs.dvae.prefix(12))),
      ("text length", "\(ours.textLength)", "\(theirs.textLength)"), ("grid", "\(ours.grid)", "\(theirs.grid)"),
      ("text vocabulary", "\(ours.textVocabulary)", "\(theirs.textVocabulary)"),
      ("image vocabulary", "\(ours.imageVocabulary)", "\(theirs.imageVocabulary)"),
      ("samples in a frame", "\(ours.frameSamples)", "\(theirs.frameSamples)"),
    ]
    return fields.filter { $0.1 != $0.2 }.map { "\($0.0) is \($0.1), expected \($0.2)" }.joined(separator: "; ")
  }

  private static func table(_ file: RandomAccessFile) throws -> [(range: Range<Int>, size: Int)] {
    let (path, fileSize) = (file.path, file.size)
    guard fileSize >= 8 + Seekable.footerSize else { throw damage(path, "has \(fileSize) bytes, too few for a shard") }
    let footer = try read(file, fileSize - Seekable.footerSize..<fileSize)
    guard footer.uint32(at: 5) == Seekable.footerMagic else {
      throw damage(path, "does not end in a seek table; it is cut off or not a shard")
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
      throw damage(path, "its seek table has no frame of \(tableSize) bytes around it")
    }
    var offset = 0
    let frames = (0..<count).map { index in
      let size = Int(bytes.uint32(at: 8 + index * Seekable.entrySize))
      defer { offset += size }
      return (range: offset..<offset + size, size: Int(bytes.uint32(at: 12 + index * Seekable.entrySize)))
    }
    guard offset == start else {
      throw damage(path, "its seek table accounts for \(offset) bytes, but \(start) lie before it")
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
        "\(path): has format version \(header.version), this program reads version \(ShardHeader.currentVersion); encode the dataset again"
      )
    }
    for (name, value, range) in [
      ("textLength", header.textLength, 0...65_535), ("grid", header.grid, 1...4096),
      ("textVocabulary", header.textVocabulary, 1...65_536), ("imageVocabulary", header.imageVocabulary, 1...65_536),
      ("samples", header.samples, 0...1 << 32), ("frameSamples", header.frameSamples, 1...1 << 32),
    ] where !range.contains(value) {
      throw damage(path, "its header has \(name) \(value), outside \(range.lowerBound) to \(range.upperBound)")
    }
    return header
  }

  private static func read(_ file: RandomAccessFile, _ range: Range<Int>) throws -> [UInt8] {
    guard range.upperBound <= file.size else {
      throw damage(file.path, "ends at byte \(file.size), before byte \(range.upperBound)")
    }
    return try file.read(range)
  }
}
