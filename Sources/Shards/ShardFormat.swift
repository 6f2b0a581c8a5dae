import Foundation
import Tokens

/// An image and its captions as tokens.
package struct TokenSample: Sendable, Equatable {
  /// At least one caption, at most `captionLimit`.
  package var texts: [[Token]]
  /// [grid · grid] tokens in raster order.
  package var image: [Token]

  /// Most captions of a sample.
  package static let captionLimit = 64

  package init(texts: [[Token]], image: [Token]) { (self.texts, self.image) = (texts, image) }
}

/// An image and one of its captions as tokens: a sample of a training batch.
package struct TokenPair: Sendable, Equatable {
  package var text: [Token]
  package var image: [Token]

  package init(text: [Token], image: [Token]) { (self.text, self.image) = (text, image) }
}

/// Metadata of a shard: JSON in its first frame.
package struct ShardHeader: Codable, Sendable, Equatable {
  package var version = ShardHeader.currentVersion
  /// Version 1 had one caption per sample, without a count.
  package static let currentVersion = 2
  /// Longest caption in tokens.
  package var textLength: Int
  /// Width and height of an image in tokens.
  package var grid: Int
  package var textVocabulary: Int
  package var imageVocabulary: Int
  /// Samples in the shard, and in each frame except the last.
  package var samples = 0
  package var frameSamples: Int
  /// SHA-256 of the tokenizer file and of the dVAE's weights that the shard was encoded with.
  package var tokenizer: String
  package var dvae: String

  package init(
    textLength: Int, grid: Int, textVocabulary: Int, imageVocabulary: Int, frameSamples: Int, tokenizer: String, dvae: String
  ) {
    self.textLength = textLength
    self.grid = grid
    self.textVocabulary = textVocabulary
    self.imageVocabulary = imageVocabulary
    self.frameSamples = frameSamples
    self.tokenizer = tokenizer
    self.dvae = dvae
  }

  var frameCount: Int { samples == 0 ? 0 : (samples - 1) / frameSamples + 1 }

  func samples(inFrame frame: Int) -> Int { min(frameSamples, samples - frame * frameSamples) }
}

/// Constants of the zstd seekable format (facebook/zstd, contrib/seekable_format).
enum Seekable {
  /// The skippable frame with the header.
  static let headerMagic: UInt32 = 0x184D_2A50
  /// The skippable frame with the seek table.
  static let tableMagic: UInt32 = 0x184D_2A5E
  static let footerMagic: UInt32 = 0x8F92_EAB1
  static let footerSize = 9
  static let entrySize = 8
  /// Largest frame when decompressed, in bytes: a reader needs memory for it.
  static let frameLimit = 1 << 28
}

extension [UInt8] {
  mutating func append(_ value: UInt32) { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }
  mutating func append(_ value: UInt16) { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }

  func uint32(at offset: Int) -> UInt32 {
    UInt32(littleEndian: withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) })
  }
}
