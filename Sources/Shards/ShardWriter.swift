import CZstd
import Errors
import Files
import Foundation

/// Writes one shard: a header in a skippable frame, independent zstd frames with content checksums, a seek table. The same
/// samples give the same bytes. The file appears under its name when it is complete.
package final class ShardWriter {
  package let path: String
  private var header: ShardHeader
  private var frame: [UInt8] = []
  private var frames: [(compressed: [UInt8], size: Int)] = []
  private static let level: Int32 = 9

  package init(_ path: String, header: ShardHeader) {
    precondition(header.frameSamples > 0, "frames of \(header.frameSamples) samples")
    self.path = path
    self.header = header
    self.header.samples = 0
  }

  package var samples: Int { header.samples }

  package func append(_ sample: TokenSample) throws {
    precondition(sample.image.count == header.grid * header.grid, "\(sample.image.count) image tokens in a sample")
    precondition((1...TokenSample.captionLimit).contains(sample.texts.count), "\(sample.texts.count) captions in a sample")
    frame.append(UInt16(sample.texts.count))
    for text in sample.texts {
      precondition(text.count <= header.textLength, "\(text.count) text tokens in a sample")
      frame.append(UInt16(text.count))
      for token in text { frame.append(token) }
    }
    for token in sample.image { frame.append(token) }
    header.samples += 1
    if header.samples % header.frameSamples == 0 { try closeFrame() }
  }

  /// Completes the shard.
  package func finish() throws {
    if !frame.isEmpty { try closeFrame() }
    let json = try JSON.line(header)
    var file: [UInt8] = []
    file.append(Seekable.headerMagic)
    file.append(UInt32(json.count))
    file += json
    // The seek table lists every frame, the header too, so that offsets add up.
    var table: [UInt8] = []
    table.append(UInt32(file.count))
    table.append(UInt32(0))
    for frame in frames {
      file += frame.compressed
      table.append(UInt32(frame.compressed.count))
      table.append(UInt32(frame.size))
    }
    table.append(UInt32(frames.count + 1))
    table.append(0 as UInt8)  // descriptor: no checksums in the table, because the frames have them
    table.append(Seekable.footerMagic)
    file.append(Seekable.tableMagic)
    file.append(UInt32(table.count))
    file += table
    try replaceFile(path, with: file)
  }

  private func closeFrame() throws {
    guard frame.count <= Seekable.frameLimit else {
      throw DalleError(
        .configuration,
        "\(path): a frame of \(header.frameSamples) samples has \(frame.count) bytes (at most \(Seekable.frameLimit)); lower the samples per frame"
      )
    }
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    var compressed = [UInt8](repeating: 0, count: ZSTD_compressBound(frame.count))
    let size = ZSTD_compress2(context, &compressed, compressed.count, frame, frame.count)
    guard ZSTD_isError(size) == 0 else {
      throw DalleError(
        .unavailable,
        "\(path): zstd cannot compress a frame (\(String(cString: ZSTD_getErrorName(size)))); free memory and start again")
    }
    frames.append((Array(compressed[..<size]), frame.count))
    frame.removeAll(keepingCapacity: true)
  }
}
