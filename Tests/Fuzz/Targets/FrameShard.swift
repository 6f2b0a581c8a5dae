import Foundation

/// A valid shard file around a frame whose tokens may be invalid.
enum FrameShard {
  /// The first byte is the number of samples, the rest is the frame.
  static func file(_ bytes: Data) -> Data {
    let samples = Int(bytes.first ?? 0)
    let tokens = Data(bytes.dropFirst())
    let json = Data(
      #"{"dvae":"d","frameSamples":256,"grid":2,"imageVocabulary":9,"samples":\#(samples),"textLength":5,"textVocabulary":300,"tokenizer":"t","version":2}"#
        .utf8)
    var file = number(0x184D_2A50) + number(json.count) + json
    let entries = number(file.count) + number(0)
    // A zstd frame with its size, no checksum, and blocks that are not compressed (RFC 8878, section 3.1.1).
    var frame = number(0xFD2F_B528) + [0xA0] + number(tokens.count)
    var start = 0
    repeat {
      let count = min(1 << 16, tokens.count - start)
      let isLast = start + count == tokens.count
      frame += number(count << 3 | (isLast ? 1 : 0)).prefix(3) + tokens[start..<start + count]
      start += count
    } while start < tokens.count
    if samples > 0 { file += frame }
    let table = entries + (samples > 0 ? number(frame.count) + number(tokens.count) : Data())
    return file + number(0x184D_2A5E) + number(table.count + 9) + table + number(table.count / 8) + [0] + number(0x8F92_EAB1)
  }

  /// Four bytes, the lowest first.
  private static func number(_ value: Int) -> Data { Data((0..<4).map { UInt8(value >> (8 * $0) & 0xFF) }) }
}
