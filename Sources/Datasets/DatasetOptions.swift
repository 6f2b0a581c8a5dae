import Errors
import Foundation

/// How a dataset is collected.
package struct DatasetOptions: Codable, Equatable, Sendable {
  package var sources: [Source]
  package var columns: Columns
  package var filters: Filters
  /// Samples that are held out: those whose pictures have the smallest hashes, at most half of all. More samples in the
  /// sources move few others.
  package var validation: Int

  package init(sources: [Source], columns: Columns = Columns(), filters: Filters = Filters(), validation: Int = 256) {
    (self.sources, self.columns, self.filters, self.validation) = (sources, columns, filters, validation)
  }

  /// Throws what cannot work.
  func check() throws {
    if sources.isEmpty { throw DalleError(.configuration, "no source is named; name a folder, a manifest or an archive") }
    for source in sources where !(source.weight > 0 && source.weight <= 1000) {

      throw DalleError(
        .configuration, "\(source.path): its sampling weight is \(source.weight); choose one above 0 and not above 1000")

    }
    if columns.captions.isEmpty { throw DalleError(.configuration, "no caption column is named; name at least one") }
    if validation < 1 { throw DalleError(.configuration, "\(validation) validation samples; choose at least 1") }
    let limits: [(String, Double, ClosedRange<Double>)] = [
      ("the smallest number of characters", Double(filters.minimumCharacters), 1...1e6),
      ("the largest number of characters", Double(filters.maximumCharacters), min(Double(filters.minimumCharacters), 1e6)...1e6),
      ("the share of letters", filters.letterShare, 0...1),
      ("the shortest side", Double(filters.minimumSide), 1...1e6),
      ("the largest number of pixels", Double(filters.maximumPixels), 1...1e10),
      ("the largest number of bytes", Double(filters.maximumBytes), 1...4e9),
    ]
    for (name, value, range) in limits where !range.contains(value) {
      throw DalleError(
        .configuration,
        "\(name) is \(value.formatted()); choose one from \(range.lowerBound.formatted()) to \(range.upperBound.formatted())")
    }
    if filters.aspectRatio != 0, !(filters.aspectRatio >= 1) {
      throw DalleError(.configuration, "the aspect ratio is \(filters.aspectRatio); choose at least 1, or 0 for any")
    }
    _ = try CaptionFilter(filters)
  }
}

/// What became of the sources: `dataset.json`, which is written last.
package struct DatasetSummary: Codable, Equatable, Sendable {
  package var version = DatasetSummary.currentVersion
  /// Version 1 counted captions among the samples that are left out, version 2 had no copied images.
  static let currentVersion = 3
  package var options: DatasetOptions
  /// Samples to train on, and those of them that weights repeat.
  package var training = 0
  package var repeated = 0
  package var trainingCaptions = 0
  package var validation = 0
  /// Samples whose captions went to another one with the same picture.
  package var merged = 0
  /// Samples left out, by reason.
  package var skipped: [String: Int] = [:]
  /// Captions and files left out of samples that stay, by reason.
  package var skippedParts: [String: Int] = [:]
  /// Files of images that were copied out of compressed archives: bytes, by their paths in the dataset's folder.
  package var copies: [String: Int] = [:]

  package init(options: DatasetOptions) { self.options = options }

  /// What was left out as lines to read, the most frequent reasons first.
  package var omissions: [String] {
    func lines(_ counts: [String: Int], _ what: String) -> [String] {
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "left out \($0.value.formatted())\(what) for: \($0.key)" }
    }
    return lines(skipped, "") + lines(skippedParts, " captions or files of samples that stay,")
  }

  /// How much was copied out of compressed archives, as a line to read; nil if nothing was.
  package var copiesLine: String? {
    if copies.isEmpty { return nil }
    let byteCount = copies.values.reduce(0, +).formatted(.byteCount(style: .decimal))
    return
      "copied the images of \(copies.count) compressed \(copies.count == 1 ? "archive" : "archives") into the dataset: \(byteCount)"
  }
}
