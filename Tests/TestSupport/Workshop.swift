import Datasets
import Foundation
import Images

/// A temporary folder for sources and the dataset collected from them; removed with the test.
package final class Workshop {
  package let path = NSTemporaryDirectory() + "dataset-" + UUID().uuidString

  package init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  package func write(_ name: String, _ bytes: Data) throws {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try bytes.write(to: URL(fileURLWithPath: file))
  }

  package func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

  /// An image for each number: stripes whose width and color come from the number.
  package func image(_ number: Int, width: Int = 24, height: Int = 24) throws -> Data {
    var image = Image(
      width: width, height: height, (UInt8(number * 37 % 256), UInt8(number * 91 % 256), UInt8(number * 53 % 256)))
    for x in 0..<width where x * (number % 7 + 1) / 5 % 2 == 0 {
      image.paste(Image(width: 1, height: height, (UInt8(number * 11 % 256), 255, 0)), x: x, y: 0)
    }
    return try image.png()
  }

  /// Images with a caption each, in a folder.
  package func pairs(_ folder: String, _ numbers: Range<Int>) throws {
    for number in numbers {
      try write("\(folder)/\(number).png", image(number))
      try write("\(folder)/\(number).txt", "picture \(number)")
    }
  }

  /// Collects a dataset; relative paths of sources are below `path`.
  package func collect(
    _ sources: [DatasetSource], into name: String = "out", filters: Filters = Filters(), validation: Int = 1,
    columns: Columns = Columns(), captionForm: CaptionForm = .line
  ) throws -> Dataset {
    let options = DatasetOptions(
      sources: sources.map { source in
        var source = source
        if !source.path.hasPrefix("/") { source.path = "\(path)/\(source.path)" }
        return source
      },
      columns: columns, captionForm: captionForm, filters: filters, validation: validation)
    return try finish(Collector(DatasetFolder("\(path)/\(name)"), options: options))
  }

  /// Takes in what has changed in a dataset's sources.
  package func update(
    _ name: String = "out", adding sources: [DatasetSource] = [], removing removed: [String] = []
  ) throws -> Dataset {
    let folder = DatasetFolder("\(path)/\(name)")
    let options = try folder.readSummary().options.removing(removed).adding(sources)
    return try finish(Collector(folder, options: options, isUpdate: true))
  }

  private func finish(_ collector: Collector) throws -> Dataset {
    try collector.scan()
    for workItem in 0..<collector.workItemCount() where !collector.isValidated(workItem) { try collector.validate(workItem) }
    _ = try collector.merge(shardCaptions: 64)
    return try Dataset(collector.folder)
  }

  package func samples(_ dataset: Dataset) throws -> [Sample] {
    try Split.allCases.flatMap { split in try (0..<dataset.count(split)).map { try dataset.sample($0, split) } }
  }

  /// Every caption of a dataset, sorted.
  package func captions(_ dataset: Dataset) throws -> [String] { try samples(dataset).flatMap(\.captions).sorted() }

  package func skips(_ name: String = "out") throws -> [Skip] {
    try String(contentsOfFile: "\(path)/\(name)/skipped.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try JSONDecoder().decode(Skip.self, from: Data($0.utf8)) }
  }
}
