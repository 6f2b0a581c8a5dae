import Datasets

/// What a report says of a dataset, as numbers.
public struct DatasetReport: Codable, Equatable, Sendable {
  public struct SourceCounts: Codable, Equatable, Sendable {
    public var path: String
    public var weight: Double
    /// Samples to train on, each counted once.
    public var samples = 0
    /// The same as often as an epoch sees them.
    public var perEpoch = 0
    public var heldOut = 0
    public var captions = 0
  }

  /// What was left out for one reason.
  public struct Omission: Codable, Equatable, Sendable {
    public var reason: SkipReason
    public var samples: Int
    /// Captions and files of samples that stay.
    public var parts: Int
    public var count: Int { samples + parts }
    /// Some of them, chosen at random.
    public var examples: [Skip]
  }

  public struct Words: Codable, Equatable, Sendable {
    public struct Word: Codable, Equatable, Sendable {
      public var word: String
      public var count: Int
    }

    /// The most frequent ones.
    public var top: [Word] = []
    /// All words.
    public var total = 0
    /// Different words; if counts are not exact, those that were still held at the end.
    public var different = 0
    /// How much lower than the truth each count may be.
    public var error = 0
  }

  /// The dataset's folder.
  public var dataset: String
  public var summary: DatasetSummary
  public var seed: UInt64
  public var sources: [SourceCounts]
  /// The most frequent reasons first.
  public var omissions: [Omission]
  /// Of all samples, also those that are held out, each counted once.
  public var captionCharacters: Histogram?
  public var captionTokens: Histogram?
  public var captionsPerPicture: Histogram?
  public var shorterSide: Histogram?
  public var widthByHeight: Histogram?
  public var words = Words()
  public var codebook: CodeStatistics?

  /// Samples to train on, each counted once.
  public var distinct: Int { sources.reduce(0) { $0 + $1.samples } }
  public var captions: Int { sources.reduce(0) { $0 + $1.captions } }
}
