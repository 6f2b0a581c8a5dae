import Foundation

/// A picture and its captions as tokens.
public struct TokenSample: Sendable, Equatable {
  /// At least one caption, at most `captionLimit`.
  public var texts: [[UInt16]]
  /// grid² tokens in raster order.
  public var image: [UInt16]

  /// Captions that a sample may have.
  public static let captionLimit = 64

  public init(texts: [[UInt16]], image: [UInt16]) { (self.texts, self.image) = (texts, image) }
}

/// A picture and one of its captions: what training sees.
public struct TokenPair: Sendable, Equatable {
  public var text: [UInt16]
  public var image: [UInt16]

  public init(text: [UInt16], image: [UInt16]) { (self.text, self.image) = (text, image) }
}

/// What a shard says of itself, as JSON in its first frame.
public struct ShardHeader: Codable, Sendable, Equatable {
  public var version = ShardHeader.currentVersion
  /// Version 1 had one caption a sample, without their number.
  public static let currentVersion = 2
  /// Longest caption in tokens.
  public var textLength: Int
  /// Width and height of pictures in tokens.
  public var grid: Int
  public var textVocabulary: Int
  public var imageVocabulary: Int
  /// Samples in the shard, and in each of its frames but the last.
  public var samples = 0
  public var frameSamples: Int
  /// SHA-256 of the tokenizer file and of the dVAE's weights that made the tokens.
  public var tokenizer: String
  public var dvae: String

  public init(
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
  /// A skippable frame of our own: the header.
  static let headerMagic: UInt32 = 0x184D_2A50
  /// The skippable frame with the seek table.
  static let tableMagic: UInt32 = 0x184D_2A5E
  static let footerMagic: UInt32 = 0x8F92_EAB1
  static let footerSize = 9
  static let entrySize = 8
  /// Bytes of a frame when decompressed: a reader needs memory for it.
  static let frameLimit = 1 << 28
}

extension [UInt8] {
  mutating func append(_ value: UInt32) { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }
  mutating func append(_ value: UInt16) { Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) } }

  func uint32(at offset: Int) -> UInt32 {
    UInt32(littleEndian: withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) })
  }
}
