import Errors
import Files
import Foundation
import Images

/// A collected dataset: samples by number, each read from disk in constant time.
package final class Dataset: CaptionedImages {
  package let summary: DatasetSummary
  private let folder: DatasetFolder
  private let samples: [Split: RandomAccessFile]
  private let index: [Split: RecordFile<LineLocation>]

  /// Opens a finished dataset.
  ///
  /// - Throws: `DalleError` for a folder without one, or with a damaged one.
  package init(_ folder: DatasetFolder) throws {
    guard folder.isDataset else {
      let isForeign = FileManager.default.fileExists(atPath: folder.summary)
      throw DalleError(
        .noInput,
        "\(folder.path): contains no finished dataset (\(folder.summary) is \(isForeign ? "of another program" : "missing")); collect it with dalle-prep collect"
      )
    }
    (self.folder, summary) = (folder, try folder.readSummary())
    samples = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try RandomAccessFile(folder.samples($0))) })
    index = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try RecordFile(folder.index($0))) })
    for (split, count) in [(Split.training, summary.training), (.validation, summary.validation)] {
      guard index[split]!.count == count else {
        throw DalleError(
          .data,
          "\(folder.index(split)): has \(index[split]!.count) entries (\(folder.summary) has \(count)); restore it, or collect the dataset into another folder"
        )
      }
    }
  }

  package func identity() -> String { summary.identity }

  package func count(_ split: Split) -> Int { index[split]!.count }

  /// A sample by its number; a repeated sample has several numbers.
  package func sample(_ number: Int, _ split: Split) throws -> Sample {
    let line = try index[split]!.record(number)
    let file = samples[split]!
    guard line.offset >= 0, line.count >= 0, line.count <= file.size - line.offset,
      let sample = try? JSONDecoder().decode(Sample.self, from: Data(file.read(line.offset..<line.offset + line.count))),
      !sample.captions.isEmpty
    else {
      throw DalleError(
        .data,
        "\(file.path): sample \(number) cannot be parsed, the file or its index is damaged; restore it, or collect the dataset into another folder"
      )
    }
    return sample
  }

  /// Calls `body` with each sample of a split once, in order, and with how often an epoch has it. Memory holds one sample.
  /// Samples that no epoch has, because `repeat` is below 1, are not included.
  package func forEachSample(_ split: Split, _ body: (_ sample: Sample, _ repeats: Int) throws -> Void) throws {
    let lines = index[split]!
    var number = 0
    while number < lines.count {
      // The entries of a repeated sample are consecutive.
      var end = number + 1
      let offset = try lines.record(number).offset
      while end < lines.count, try lines.record(end).offset == offset { end += 1 }
      try body(sample(number, split), end - number)
      number = end
    }
  }

  package func captions(_ number: Int, _ split: Split) throws -> [String] { try sample(number, split).captions }
  package func location(_ number: Int, _ split: Split) throws -> String { try sample(number, split).location }

  package func image(_ number: Int, _ split: Split, forCropsOf side: Int? = nil) throws -> Image {
    let sample = try sample(number, split)
    let location = sample.image
    let isCopied = !location.path.hasPrefix("/")
    let file = try RandomAccessFile(isCopied ? "\(folder.path)/\(location.path)" : location.path)
    guard let size = location.size, size <= file.size - location.offset, isCopied || location.offset > 0 || size == file.size
    else {
      throw DalleError(
        .data,
        "\(sample.location): \(file.path) has changed since the dataset was collected; restore it, or take the change in with dalle-prep collect --update"
      )
    }
    do {
      return try Image(
        data: Data(file.read(location.offset..<location.offset + size)), pixelLimit: summary.options.filters.maximumPixels,
        leastSide: side.map(Image.leastSide))
    } catch let problem as UndecodableImage { throw problem.named(sample.location) }
  }

  /// Captions of the validation split.
  package func prompts(_ count: Int) throws -> [String] {
    try (0..<min(count, self.count(.validation))).map { try sample($0, .validation).captions[0] }
  }
}
