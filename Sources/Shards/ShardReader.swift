import CZstd
import Foundation

/// Reads the frames of one shard, each checked: checksum, sizes, token ranges.
public final class ShardReader: Sendable {
  public let path: String
  public let header: ShardHeader
  /// Where each frame of samples lies in the file, and its size when decompressed.
  private let frames: [(range: Range<Int>, size: Int)]
  private let descriptor: Int32

  public init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw ShardError(path, "cannot be opened: \(String(cString: strerror(errno)))") }
    do {
      let size = Int(lseek(descriptor, 0, SEEK_END))
      let table = try Self.table(descriptor, path, fileSize: size)
      header = try Self.header(descriptor, path, range: table[0].range)
      frames = Array(table.dropFirst())
      guard frames.count == header.frameCount else {
        throw ShardError(path, "has \(frames.count) frames, but \(header.samples) samples need \(header.frameCount)")
      }
      // The smallest and the largest that samples of this shape can take.
      for (index, frame) in frames.enumerated() {
        let samples = header.samples(inFrame: index)
        let least = samples * 2 * (1 + header.grid * header.grid)
        guard (least...least + samples * 2 * header.textLength).contains(frame.size) else {
          throw ShardError(path, "frame \(index) claims \(frame.size) bytes for \(samples) samples")
        }
      }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  public var frameCount: Int { frames.count }

  /// The samples of a frame.
  public func samples(inFrame index: Int) throws -> [TokenSample] {
    let frame = frames[index]
    let compressed = try Self.read(descriptor, path, frame.range)
    var bytes = [UInt8](repeating: 0, count: frame.size)
    let size = ZSTD_decompress(&bytes, bytes.count, compressed, compressed.count)
    guard ZSTD_isError(size) == 0 else {
      throw ShardError(path, "frame \(index) is damaged: \(String(cString: ZSTD_getErrorName(size)))")
    }
    guard size == frame.size else {
      throw ShardError(path, "frame \(index) has \(size) bytes, expected \(frame.size)")
    }
    let imageCount = header.grid * header.grid
    var offset = 0
    let samples = try (0..<header.samples(inFrame: index)).map { sample in
      func tokens(_ count: Int, limit: Int, _ what: String) throws -> [UInt16] {
        guard offset + 2 * count <= bytes.count else { throw ShardError(path, "frame \(index) ends in sample \(sample)") }
        let tokens = (0..<count).map { bytes.uint16(at: offset + 2 * $0) }
        offset += 2 * count
        if let bad = tokens.first(where: { Int($0) >= limit }) {
          throw ShardError(
            path, "frame \(index), sample \(sample): \(what) token \(bad) is outside the vocabulary of \(limit)")
        }
        return tokens
      }
      let length = Int(try tokens(1, limit: header.textLength + 1, "length")[0])
      return TokenSample(
        text: try tokens(length, limit: header.textVocabulary, "text"),
        image: try tokens(imageCount, limit: header.imageVocabulary, "image"))
    }
    guard offset == bytes.count else {
      throw ShardError(path, "frame \(index) has \(bytes.count - offset) bytes after its last sample")
    }
    return samples
  }

  private static func table(
    _ descriptor: Int32, _ path: String, fileSize: Int
  ) throws -> [(range: Range<Int>, size: Int)] {
    guard fileSize >= 8 + Seekable.footerSize else { throw ShardError(path, "has \(fileSize) bytes, too few for a shard") }
    let footer = try read(descriptor, path, fileSize - Seekable.footerSize..<fileSize)
    guard footer.uint32(at: 5) == Seekable.footerMagic else {
      throw ShardError(path, "does not end in a seek table; it is cut off or not a shard")
    }
    let count = Int(footer.uint32(at: 0))
    guard footer[4] == 0 else { throw ShardError(path, "its seek table has descriptor \(footer[4]), expected 0") }
    let tableSize = count * Seekable.entrySize + Seekable.footerSize
    guard count >= 1, tableSize + 8 <= fileSize else {
      throw ShardError(path, "its seek table claims \(count) frames in \(fileSize) bytes")
    }
    let start = fileSize - tableSize - 8
    let bytes = try read(descriptor, path, start..<fileSize)
    guard bytes.uint32(at: 0) == Seekable.tableMagic, Int(bytes.uint32(at: 4)) == tableSize else {
      throw ShardError(path, "its seek table has no frame of \(tableSize) bytes around it")
    }
    var offset = 0
    let frames = (0..<count).map { index in
      let size = Int(bytes.uint32(at: 8 + index * Seekable.entrySize))
      defer { offset += size }
      return (range: offset..<offset + size, size: Int(bytes.uint32(at: 12 + index * Seekable.entrySize)))
    }
    guard offset == start else {
      throw ShardError(path, "its seek table accounts for \(offset) bytes, but \(start) lie before it")
    }
    return frames
  }

  private static func header(_ descriptor: Int32, _ path: String, range: Range<Int>) throws -> ShardHeader {
    let bytes = try read(descriptor, path, range)
    guard bytes.count >= 8, bytes.uint32(at: 0) == Seekable.headerMagic, Int(bytes.uint32(at: 4)) == bytes.count - 8 else {
      throw ShardError(path, "does not start with a header")
    }
    guard let header = try? JSONDecoder().decode(ShardHeader.self, from: Data(bytes[8...])) else {
      throw ShardError(path, "its header cannot be understood")
    }
    guard header.version == 1 else {
      throw ShardError(path, "has format version \(header.version); this program reads version 1")
    }
    guard (0...65_535).contains(header.textLength), (1...4096).contains(header.grid),
      (1...65_536).contains(header.textVocabulary), (1...65_536).contains(header.imageVocabulary),
      header.samples >= 0, header.frameSamples >= 1
    else { throw ShardError(path, "its header has impossible values: \(header)") }
    return header
  }

  private static func read(_ descriptor: Int32, _ path: String, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var done = 0
    while done < range.count {
      let count = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + done, range.count - done, off_t(range.lowerBound + done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        throw ShardError(path, count == 0 ? "ends early" : "cannot be read: \(String(cString: strerror(errno)))")
      }
      done += count
    }
    return bytes
  }
}
