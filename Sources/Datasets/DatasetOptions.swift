import Errors
import Foundation

/// How a dataset is collected.
package struct DatasetOptions: Codable, Equatable, Sendable {
  package var sources: [DatasetSource]
  /// Of sources without columns of their own.
  package var columns: Columns
  package var captionForm: CaptionForm
  package var filters: Filters
  /// Samples of the validation split: those whose images have the smallest hashes, at most half of all. Adding samples to the
  /// sources moves few samples between the splits.
  package var validation: Int

  package init(
    sources: [DatasetSource], columns: Columns = Columns(), captionForm: CaptionForm = .line, filters: Filters = Filters(),
    validation: Int = 256
  ) {
    self.sources = sources.map { source in
      var source = source
      source.path = DatasetSource.absolute(source.path)
      return source
    }
    (self.columns, self.captionForm) = (columns, captionForm)
    (self.filters, self.validation) = (filters, validation)
  }

  /// Whether everything but the sources is equal.
  package func differsInSourcesAlone(from other: DatasetOptions) -> Bool {
    var other = other
    other.sources = sources
    return self == other
  }

  /// These options with further sources, and with the settings that a source of the same path is given anew.
  package func adding(_ named: [DatasetSource]) -> DatasetOptions {
    var options = self
    for source in DatasetOptions(sources: named).sources {
      guard let index = options.sources.firstIndex(where: { $0.path == source.path }) else {
        options.sources.append(source)
        continue
      }
      options.sources[index].columns = source.columns ?? options.sources[index].columns
      // One without `repeat` of its own follows the names of folders.
      if !source.folderRepeats { (options.sources[index].repeat, options.sources[index].folderRepeats) = (source.repeat, false) }
    }
    return options
  }

  /// These options without some of their sources.
  ///
  /// - Parameter paths: of sources, as they were named or as they are recorded.
  /// - Throws: `DalleError(.usage)` for a path that is none of the sources.
  package func removing(_ paths: [String]) throws -> DatasetOptions {
    var options = self
    for path in paths {
      let recorded = DatasetSource.absolute(path)
      guard sources.contains(where: { $0.path == recorded }) else {
        let all = sources.map(\.path).joined(separator: ", ")
        throw DalleError(
          .usage, "--remove \(path): \(recorded) is none of the dataset's sources, which are \(all); name one of these")
      }
      options.sources.removeAll { $0.path == recorded }
    }
    return options
  }

  /// - Throws: `DalleError(.configuration)` for the first value outside its limits.
  func validate() throws {
    if sources.isEmpty { throw DalleError(.configuration, "no source is given; name a folder, a manifest or an archive") }
    for source in sources where !(source.repeat > 0 && source.repeat <= 1000) {
      throw DalleError(
        .configuration, "\(source.path): `--repeat` is \(source.repeat); choose a number above 0, at most 1000")
    }
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
  /// Version 1 counted skipped captions as skipped samples; version 2 had no copied images; version 3 recorded neither its entries
  /// nor unused files.
  static let currentVersion = 4
  package var options: DatasetOptions
  /// SHA-256 of the samples: images, captions, splits and repeats, but not where the images are.
  package var identity = ""
  /// Training samples per epoch, and those of them that are repeats.
  package var training = 0
  package var repeated = 0
  package var trainingCaptions = 0
  package var validation = 0
  /// Samples whose captions were merged into an earlier sample with the same image.
  package var merged = 0
  /// Different images of both splits that have more captions than token shards keep, and their captions beyond that.
  package var imagesWithManyCaptions = 0
  package var captionsBeyondShards = 0
  /// The image with the most captions, where these are so many that it may be a placeholder.
  package var placeholder: String?
  package var placeholderCaptions = 0
  /// Skipped samples, by reason.
  package var skipped: [String: Int] = [:]
  /// Skipped captions and files of samples that are kept, by reason.
  package var skippedParts: [String: Int] = [:]
  /// Files of the sources that no sample uses, by kind.
  package var unused: [UnusedFiles] = []
  package var captionFiles = CaptionFileCounts()
  /// nil in a dataset of an earlier version.
  package var captions: CaptionCounts?
  /// Samples that no epoch has, because `repeat` is below 1; nil for none.
  package var unsampled: Int?
  /// What was decided about the sources, as lines for the log.
  package var notes: [String] = []
  /// Files with images that were copied out of compressed archives: bytes, by path in the dataset's folder.
  package var copies: [String: Int] = [:]

  /// Captions of one image from which on it is remarked as a placeholder ("image not available") of a site.
  static let placeholderLimit = 1000

  package init(options: DatasetOptions) { self.options = options }

  /// Samples that are trained on, each counted once.
  package var distinctTraining: Int { training - repeated }

  /// What is remarkable in the dataset, as lines for the log.
  ///
  /// - Parameter validationSetting: the flag or key that sets the size of the validation split.
  package func remarks(validationSetting: String) -> [String] {
    var lines: [String] = []
    let samples = distinctTraining + validation
    if 3 * validation > samples, validation > 1 {
      lines.append(
        "\(validation.formatted()) of \(samples.formatted()) samples are in the validation split and are not trained on; `\(validationSetting)` sets fewer"
      )
    }
    if let placeholder {
      lines.append(
        "one image has \(placeholderCaptions.formatted()) different captions (\(placeholder)); it may be a placeholder such as \"image not available\": remove it from the source if it is"
      )
    }
    if imagesWithManyCaptions > 0 {
      lines.append(
        "token shards leave out \(captionsBeyondShards.formatted()) captions, those beyond the first of \(imagesWithManyCaptions.formatted()) \(imagesWithManyCaptions == 1 ? "image" : "images") with very many"
      )
    }
    return lines
  }

  /// Samples that the sources hold: used, merged or skipped.
  package var foundSamples: Int {
    distinctTraining + validation + (unsampled ?? 0) + merged + skipped.values.reduce(0, +)
  }

  /// Where all samples and captions went, as lines for the log.
  package var sumLines: [String] {
    func sum(_ kind: String, _ found: Int, _ parts: [(count: Int, what: String)]) -> String {
      let parts = parts.enumerated().filter { $0.offset == 0 || $0.element.count > 0 }.map(\.element)
      return "found \(found.formatted()) \(kind): \(parts.map { "\($0.count.formatted()) \($0.what)" }.joined(separator: ", "))"
    }
    let skippedCount = skipped.values.reduce(0, +)
    let samples = sum(
      "samples", foundSamples,
      [
        (distinctTraining + validation, "used"), (merged, "merged"), (unsampled ?? 0, "in no epoch (`--repeat` below 1)"),
        (skippedCount, "skipped"),
      ])
    guard let captions else { return [samples] }
    let dropped = captions.dropped.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.value, "dropped (\($0.key))") }
    return [samples, sum("captions", captions.found, [(captions.used, "used")] + dropped)]
  }

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

  /// What was decided about the sources, what was not used, and how captions were read, as lines for the log.
  package var sourceLines: [String] {
    let (files, several) = (captionFiles.files, captionFiles.severalLines)
    let asLines =
      options.captionForm == .line && several * 2 > files
      ? [
        "\(several.formatted()) of \(files.formatted()) caption files have several lines, and each line is a caption of its own; "
          + "--captions file takes the whole file as one"
      ] : []
    return notes + asLines + unused.map(\.line)
  }

  /// How much was copied out of compressed archives, as a line for the log; nil if nothing was.
  package var copiesLine: String? {
    if copies.isEmpty { return nil }
    let byteCount = copies.values.reduce(0, +).formatted(.byteCount(style: .decimal))
    return
      "copied the images of \(copies.count) compressed \(copies.count == 1 ? "archive" : "archives") into the dataset: \(byteCount)"
  }
}
