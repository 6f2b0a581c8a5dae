import Datasets
import Errors
import Files
import Random
import Tokenizer

/// Reads a dataset once, sample by sample, and makes its report's numbers. Memory does not grow with the dataset.
package struct DatasetSurvey {
  private let folder: DatasetFolder
  private let dataset: Dataset
  private let tokenizer: Tokenizer?
  private let seed: UInt64

  private static let words = 90
  private static let examples = 3
  /// Purpose of the random numbers that choose examples.
  private static let examplePurpose: UInt64 = 0x736B_6970

  /// - Parameters:
  ///   - tokenizer: counts tokens of captions, if there is one.
  ///   - seed: chooses examples.
  package init(_ dataset: Dataset, in folder: DatasetFolder, tokenizer: Tokenizer?, seed: UInt64) {
    (self.dataset, self.folder, self.tokenizer, self.seed) = (dataset, folder, tokenizer, seed)
  }

  /// - Parameter progress: called now and then with the entries read and their total.
  package func report(progress: (_ done: Int, _ total: Int) -> Void) throws -> DatasetReport {
    var report = DatasetReport(
      dataset: folder.path, summary: dataset.summary, seed: seed,
      sources: dataset.summary.options.sources.map { .init(path: $0.path, repeat: $0.repeat) }, skipped: try skippedByReason())
    var (characters, tokens, captions) = (Tally(), Tally(), Tally())
    var (sides, ratios) = (Tally(), Tally())
    var words = WordCounter()
    var captionCounter = CaptionCounter()
    var done = 0
    let total = Split.allCases.reduce(0) { $0 + dataset.count($1) }
    for split in Split.allCases {
      try dataset.forEachSample(split) { sample, copies in
        guard report.sources.indices.contains(sample.source), sample.width > 0, sample.height > 0 else {
          throw DalleError(
            .data,
            "\(folder.samples(split)): the sample \(sample.location) has an impossible source or size (source \(sample.source), \(sample.width) x \(sample.height)), so the file is damaged; restore it, or collect the dataset into another folder"
          )
        }
        if split == .training {
          report.sources[sample.source].samples += 1
          report.sources[sample.source].perEpoch += copies
        } else {
          report.sources[sample.source].validation += copies
        }
        report.sources[sample.source].captions += sample.captions.count
        captions.add(sample.captions.count)
        for caption in sample.captions {
          characters.add(caption.count)
          captionCounter.add(caption)
          if let tokenizer { tokens.add(tokenizer.encode(caption).count) }
        }
        words.add(captions: sample.captions)
        sides.add(min(sample.width, sample.height))
        if min(sample.width, sample.height) < DatasetReport.narrowLimit { report.narrow += 1 }
        ratios.add(Histogram.ratioStep(width: sample.width, height: sample.height))
        done += copies
        if done % 500 < copies { progress(done, total) }
      }
    }
    report.captionCharacters = .linear(characters)
    report.captionTokens = .linear(tokens)
    report.captionsPerImage = .linear(captions)
    report.captionStatistics = captionCounter.statistics
    report.shorterSide = .octaves(sides)
    report.widthByHeight = .ratios(ratios)
    report.words = .init(
      top: words.top(Self.words).map { .init(word: $0.word, count: $0.count) }, total: words.total, different: words.count,
      error: words.error)
    return report
  }

  /// What was skipped, with examples that are equally likely wherever they are in the list (reservoir sampling).
  private func skippedByReason() throws -> [DatasetReport.SkippedForReason] {
    var found: [SkipReason: DatasetReport.SkippedForReason] = [:]
    var random = RandomStream(seed: seed, Self.examplePurpose)
    try forEachLine(folder.skipped) { (skip: Skip) in
      var entry = found[skip.reason] ?? .init(reason: skip.reason, samples: 0, parts: 0, examples: [])
      if skip.keepsSample ?? false { entry.parts += 1 } else { entry.samples += 1 }
      if entry.examples.count < Self.examples {
        entry.examples.append(skip)
      } else {
        let index = random.integer(in: 0..<entry.count)
        if index < Self.examples { entry.examples[index] = skip }
      }
      found[skip.reason] = entry
    }
    return found.values.sorted { ($1.count, $0.reason.rawValue) < ($0.count, $1.reason.rawValue) }
  }
}
