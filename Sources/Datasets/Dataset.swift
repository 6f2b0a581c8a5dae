import Errors
import Files
import Foundation
import Hashing
import Images

/// A collected dataset: samples by number, each read from disk in constant time.
package final class Dataset: CaptionedImages {
  package let summary: DatasetSummary
  private let folder: DatasetFolder
  private let samples: [Split: RandomAccessFile]
  private let index: [Split: FileArray<LineLocation>]

  /// Opens a finished dataset.
  ///
  /// - Throws: `DalleError` for a folder without one, or with a damaged one.
  package init(_ folder: DatasetFolder) throws {
    guard FileManager.default.fileExists(atPath: folder.summary) else {
      throw DalleError(
        .noInput,
        "\(folder.path): contains no finished dataset (\(folder.summary) is missing); collect it with dalle-prep collect")
    }
    guard let summary = try? JSONDecoder().decode(DatasetSummary.self, from: readFile(folder.summary)),
      summary.version == DatasetSummary.currentVersion
    else {
      throw DalleError(
        .data,
        "\(folder.summary): cannot be parsed, or was written by a different version of this program; remove \(folder.path) and collect it again"
      )
    }
    (self.folder, self.summary) = (folder, summary)
    samples = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try RandomAccessFile(folder.samples($0))) })
    index = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try FileArray(folder.index($0))) })
    for (split, count) in [(Split.training, summary.training), (.validation, summary.validation)] {
      guard index[split]!.count == count else {
        throw DalleError(
          .data,
          "\(folder.index(split)): has \(index[split]!.count) entries (\(folder.summary) has \(count)); remove \(folder.path) and collect it again"
        )
      }
    }
  }

  /// SHA-256 of the lists of samples.
  package func identity() throws -> String {
    try Split.allCases.map { split in
      guard let hash = SHA256.hex(ofFile: samples[split]!.path) else {
        throw DalleError.file(samples[split]!.path, "cannot be read")
      }
      return hash
    }.joined(separator: " ")
  }

  package func count(_ split: Split) -> Int { index[split]!.count }

  /// A sample by its number; a repeated sample has several numbers.
  package func sample(_ number: Int, _ split: Split) throws -> Sample {
    let line = index[split]![number]
    let file = samples[split]!
    guard line.offset >= 0, line.count >= 0, line.count <= file.size - line.offset,
      let sample = try? JSONDecoder().decode(Sample.self, from: Data(file.read(line.offset..<line.offset + line.count))),
      !sample.captions.isEmpty
    else {
      throw DalleError(
        .data,
        "\(file.path): sample \(number) cannot be parsed, the file or its index is damaged; remove the dataset and collect it again"
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
      while end < lines.count, lines[end].offset == lines[number].offset { end += 1 }
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
        "\(sample.location): \(file.path) has changed since the dataset was collected; restore it, or collect the dataset again")
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
