import Errors
import Files
import Foundation
import Hashing
import Images

/// A collected dataset: samples by number, each looked up on disk in constant time.
package final class Dataset: ImageSource {
  package let summary: DatasetSummary
  private let folder: DatasetFolder
  private let samples: [Split: RandomAccessFile]
  private let index: [Split: RecordFile<LineLocation>]

  /// Opens what a `Collector` has finished.
  package init(_ folder: DatasetFolder) throws {
    guard FileManager.default.fileExists(atPath: folder.summary) else {
      throw DalleError(
        .noInput,
        "\(folder.path): holds no finished dataset (\(folder.summary) is missing); collect it with dalle-prep collect")
    }
    guard let summary = try? JSONDecoder().decode(DatasetSummary.self, from: readFile(folder.summary)),
      summary.version == DatasetSummary.currentVersion
    else {
      throw DalleError(
        .data,
        "\(folder.summary): cannot be parsed, or is of another version of this program; remove \(folder.path) and collect it again")
    }
    (self.folder, self.summary) = (folder, summary)
    samples = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try RandomAccessFile(folder.samples($0))) })
    index = try Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, try RecordFile(folder.index($0))) })
    for (split, count) in [(Split.training, summary.training), (.validation, summary.validation)] {
      guard index[split]!.count == count else {
        throw DalleError(
          .data,
          "\(folder.index(split)): has \(index[split]!.count) entries, but \(folder.summary) counts \(count); remove \(folder.path) and collect it again"
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

  /// A sample by its number; one that a weight repeats has several.
  package func sample(_ number: Int, _ split: Split) throws -> Sample {
    let line = try index[split]!.record(number)
    let file = samples[split]!
    guard line.offset >= 0, line.count >= 0, line.count <= file.size - line.offset,
      let sample = try? JSONDecoder().decode(Sample.self, from: Data(file.read(line.offset..<line.offset + line.count))),
      !sample.captions.isEmpty
    else {
      throw DalleError(
        .data,
        "\(file.path): sample \(number) cannot be parsed; the file or its index is damaged: remove the dataset and collect it again"
      )
    }
    return sample
  }

  /// Every sample of a split once, in order, and how often an epoch sees it; needs memory for one sample. A sample that an
  /// epoch never sees, because of a weight below 1, does not come.
  package func forEachSample(_ split: Split, _ body: (_ sample: Sample, _ copies: Int) throws -> Void) throws {
    let lines = index[split]!
    var number = 0
    while number < lines.count {
      // The copies of a sample are neighbours.
      var end = number + 1
      let offset = try lines.record(number).offset
      while end < lines.count, try lines.record(end).offset == offset { end += 1 }
      try body(sample(number, split), end - number)
      number = end
    }
  }

  package func captions(_ number: Int, _ split: Split) throws -> [String] { try sample(number, split).captions }
  package func name(_ number: Int, _ split: Split) throws -> String { try sample(number, split).place }

  package func picture(_ number: Int, _ split: Split, forCropsOf side: Int? = nil) throws -> Image {
    let sample = try sample(number, split)
    let place = sample.picture
    let isCopied = !place.path.hasPrefix("/")
    let file = try RandomAccessFile(isCopied ? "\(folder.path)/\(place.path)" : place.path)
    guard let size = place.size, size <= file.size - place.offset, isCopied || place.offset > 0 || size == file.size else {
      throw DalleError(
        .data,
        "\(sample.place): \(file.path) has changed since the dataset was collected; restore it, or collect the dataset again")
    }
    do {
      return try Image(
        data: Data(file.read(place.offset..<place.offset + size)), pixelLimit: summary.options.filters.maximumPixels,
        leastSide: side.map(Image.leastSide))
    } catch let problem as UndecodableImage { throw problem.named(sample.place) }
  }

  /// Captions that are not trained on.
  package func prompts(_ count: Int) throws -> [String] {
    try (0..<min(count, self.count(.validation))).map { try sample($0, .validation).captions[0] }
  }
}
