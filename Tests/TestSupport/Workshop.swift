import Datasets
import Foundation
import Images

/// A folder of its own for sources and the dataset made of them; goes away with the test.
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

  /// A picture that differs from those of other numbers: stripes whose width and colour come from the number.
  package func picture(_ number: Int, width: Int = 24, height: Int = 24) throws -> Data {
    var picture = Image(
      width: width, height: height, (UInt8(number * 37 % 256), UInt8(number * 91 % 256), UInt8(number * 53 % 256)))
    for x in 0..<width where x * (number % 7 + 1) / 5 % 2 == 0 {
      picture.paste(Image(width: 1, height: height, (UInt8(number * 11 % 256), 255, 0)), x: x, y: 0)
    }
    return try picture.png()
  }

  /// Collects everything below `source`.
  package func collect(
    _ sources: [Source], into name: String = "out", filters: Filters = Filters(), validation: Int = 1, columns: Columns = Columns()
  ) throws -> Dataset {
    let options = DatasetOptions(
      sources: sources.map { Source($0.path.hasPrefix("/") ? $0.path : "\(path)/\($0.path)", weight: $0.weight) },
      columns: columns, filters: filters, validation: validation)
    let collector = try Collector(DatasetFolder("\(path)/\(name)"), options: options)
    try collector.list()
    for unit in 0..<collector.unitCount() where !collector.isExamined(unit) { try collector.examine(unit) }
    _ = try collector.finish()
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
