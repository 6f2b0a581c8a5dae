import Datasets

/// The numbers of a dataset's report.
package struct DatasetReport: Codable, Equatable, Sendable {
  package struct SourceCounts: Codable, Equatable, Sendable {
    package var path: String
    /// How often an epoch has each sample.
    package var `repeat`: Double
    /// Samples to train on, each counted once.
    package var samples = 0
    /// The same as often as they occur in an epoch.
    package var perEpoch = 0
    package var validation = 0
    package var captions = 0
  }

  /// What was skipped for one reason.
  package struct SkippedForReason: Codable, Equatable, Sendable {
    package var reason: SkipReason
    package var samples: Int
    /// Captions and files of samples that remain.
    package var parts: Int
    package var count: Int { samples + parts }
    /// Some of them, chosen at random.
    package var examples: [Skip]
  }

  package struct Words: Codable, Equatable, Sendable {
    package struct Word: Codable, Equatable, Sendable {
      package var word: String
      package var count: Int
    }

    /// The most frequent ones.
    package var top: [Word] = []
    /// All words.
    package var total = 0
    /// Different words; if counts are not exact, those that were still counted at the end.
    package var different = 0
    /// Largest difference by which a count may be too low.
    package var error = 0
  }

  /// Pixels below which the page asks whether an image is a separator, a tracking pixel or an icon. Such images teach little, and
  /// web pages are full of them.
  package static let narrowLimit = 32

  /// The dataset's folder.
  package var dataset: String
  package var summary: DatasetSummary
  package var seed: UInt64
  package var sources: [SourceCounts]
  /// The most frequent reasons first.
  package var skipped: [SkippedForReason]
  /// Of all samples, also those of the validation split, each counted once.
  package var captionCharacters: Histogram?
  package var captionTokens: Histogram?
  package var captionsPerImage: Histogram?
  package var captionStatistics = CaptionStatistics()
  package var shorterSide: Histogram?
  package var widthByHeight: Histogram?
  /// Images whose shorter side is below `narrowLimit`.
  package var narrow = 0
  package var words = Words()
  package var codebook: CodeStatistics?

  /// Samples to train on, each counted once.
  package var distinct: Int { sources.reduce(0) { $0 + $1.samples } }
  package var captions: Int { sources.reduce(0) { $0 + $1.captions } }
}
