import Errors
import Foundation

/// How a dataset is collected.
package struct DatasetOptions: Codable, Equatable, Sendable {
  package var sources: [DatasetSource]
  package var columns: Columns
  package var filters: Filters
  /// Samples of the validation split: those whose images have the smallest hashes, at most half of all. Adding samples to the
  /// sources moves few samples between the splits.
  package var validation: Int

  package init(sources: [DatasetSource], columns: Columns = Columns(), filters: Filters = Filters(), validation: Int = 256) {
    (self.sources, self.columns, self.filters, self.validation) = (sources, columns, filters, validation)
  }

  /// - Throws: `DalleError(.configuration)` for the first value outside its limits.
  func validate() throws {
    if sources.isEmpty { throw DalleError(.configuration, "no source is given; name a folder, a manifest or an archive") }
    for source in sources where !(source.repeat > 0 && source.repeat <= 1000) {
      throw DalleError(
        .configuration, "\(source.path): `--repeat` is \(source.repeat); choose a number above 0, at most 1000")
    }
    if columns.captions.isEmpty { throw DalleError(.configuration, "no caption column is given; name at least one") }
    if validation < 1 { throw DalleError(.configuration, "`--validation` is \(validation); choose at least 1 sample") }
    let limits: [(flag: String, value: Double, range: ClosedRange<Double>)] = [
      ("--min-characters", Double(filters.minimumCharacters), 1...1e6),
      ("--max-characters", Double(filters.maximumCharacters), min(Double(filters.minimumCharacters), 1e6)...1e6),
      ("--letter-share", filters.letterShare, 0...1),
      ("--min-side", Double(filters.minimumSide), 1...1e6),
      ("--max-pixels", Double(filters.maximumPixels), 1...1e10),
      ("--max-bytes", Double(filters.maximumBytes), 1...4e9),
    ]
    for (flag, value, range) in limits where !range.contains(value) {
      throw DalleError(
        .configuration,
        "`\(flag)` is \(value.formatted()); choose a number from \(range.lowerBound.formatted()) to \(range.upperBound.formatted())"
      )
    }
    if filters.aspectRatio != 0, !(filters.aspectRatio >= 1) {
      throw DalleError(.configuration, "`--aspect-ratio` is \(filters.aspectRatio); choose at least 1, or 0 for any")
    }
    _ = try CaptionFilter(filters)
  }
}

/// Options and counts of a dataset: `dataset.json`, which is written last.
package struct DatasetSummary: Codable, Equatable, Sendable {
  package var version = DatasetSummary.currentVersion
  /// Version 1 counted skipped captions as skipped samples; version 2 had no copied images.
  static let currentVersion = 3
  package var options: DatasetOptions
  /// Training samples per epoch, and those of them that are repeats.
  package var training = 0
  package var repeated = 0
  package var trainingCaptions = 0
  package var validation = 0
  /// Samples whose captions were merged into an earlier sample with the same image.
  package var merged = 0
  /// Skipped samples, by reason.
  package var skipped: [String: Int] = [:]
  /// Skipped captions and files of samples that are kept, by reason.
  package var skippedParts: [String: Int] = [:]
  /// Files with images that were copied out of compressed archives: bytes, by path in the dataset's folder.
  package var copies: [String: Int] = [:]

  package init(options: DatasetOptions) { self.options = options }

  /// What was skipped, as lines for the log, the most frequent reasons first.
  package var skippedLines: [String] {
    func lines(_ counts: [String: Int], one: String, several: String) -> [String] {
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
        "skipped \($0.value.formatted()) \($0.value == 1 ? one : several): \($0.key)"
      }
    }
    return lines(skipped, one: "sample", several: "samples")
      + lines(skippedParts, one: "caption or file of a kept sample", several: "captions or files of kept samples")
  }

  /// How much was copied out of compressed archives, as a line for the log; nil if nothing was.
  package var copiesLine: String? {
    if copies.isEmpty { return nil }
    let byteCount = copies.values.reduce(0, +).formatted(.byteCount(style: .decimal))
    return
      "copied the images of \(copies.count) compressed \(copies.count == 1 ? "archive" : "archives") into the dataset: \(byteCount)"
  }
}
