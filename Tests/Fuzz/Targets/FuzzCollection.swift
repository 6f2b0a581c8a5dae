import Datasets
import Files
import Foundation
import Images

/// Collects datasets from sources that are made of the fuzzer's bytes.
enum FuzzCollection {
  /// What the first byte of an input makes of the others: a list beside images, an archive, the captions of an image, or a folder.
  private static let names = ["list.jsonl", "list.json", "list.csv", "list.tsv", "a.tar", "a.tar.gz", "a.txt", "a.json", ""]

  private static let images: [Data] = {
    // Encoding an image fails for nothing that an input could cause.
    (0..<2).map { try! Image(width: 2, height: 2, (UInt8($0), 0, 0)).png() }
  }()

  /// A first byte that chooses a kind.
  static func seed(_ name: String, _ text: String) -> Data { Data([UInt8(names.firstIndex(of: name)!)]) + Data(text.utf8) }

  /// - Parameter folder: for the sources and the dataset; removed.
  static func collect(_ bytes: Data, in folder: String) throws {
    defer { try? removeAll(folder) }
    let (source, good, out) = ("\(folder)/source", "\(folder)/good", DatasetFolder("\(folder)/out"))
    for path in [source, good] { try makeFolder(path) }
    for (number, image) in images.enumerated() {
      try write(image, "\(good)/\(number).png")
      try write(Data("caption \(number)".utf8), "\(good)/\(number).txt")
    }
    let name = names[Int(bytes.first ?? 0) % names.count]
    let contents = Data(bytes.dropFirst())
    if name.isEmpty {
      try fill(source, contents)
    } else {
      if !name.hasPrefix("a.tar") { try write(images[0], "\(source)/a.png") }
      try write(contents, "\(source)/\(name)")
    }
    let isOfFolder = name.isEmpty || name == "a.txt" || name == "a.json"
    let options = DatasetOptions(
      sources: [DatasetSource(good), DatasetSource(isOfFolder ? source : "\(source)/\(name)")], validation: 1)
    let collector = try Collector(out, options: options)
    try collector.scan()
    for workItem in 0..<collector.workItemCount() { try collector.validate(workItem) }
    let summary = try collector.merge(shardCaptions: 64)
    let dataset = try Dataset(out)
    for split in Split.allCases {
      try dataset.forEachSample(split) { sample, _ in
        precondition(
          sample.captions.allSatisfy { !$0.isEmpty && !$0.contains("\n") && !$0.contains("\0") },
          "`\(sample.captions)` is no caption")
      }
    }
    precondition(summary.training + summary.validation >= 2, "the fixed samples are lost")
    precondition(try! SourceChanges(out, options).isEmpty, "sources have changed at once")
  }

  /// Makes files from lines: a name, and contents behind a tab; `=1` as contents is an image.
  private static func fill(_ folder: String, _ lines: Data) throws {
    for line in lines.split(separator: UInt8(ascii: "\n")).prefix(20) {
      let parts = line.split(separator: UInt8(ascii: "\t"), maxSplits: 1, omittingEmptySubsequences: false)
      let bytes = parts[0].prefix(200).filter { $0 != 0 && $0 != UInt8(ascii: "/") }
      // Names are bytes, which need not be UTF-8.
      let path = Array("\(folder)/".utf8) + bytes + [0]
      let descriptor = path.withUnsafeBytes {
        open($0.bindMemory(to: CChar.self).baseAddress!, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      }
      if descriptor < 0 { continue }  // `.` and `..`
      defer { close(descriptor) }
      let text = parts.count > 1 ? Data(parts[1]) : Data()
      try (text == Data("=1".utf8) ? images[1] : text).withUnsafeBytes { try writeAll($0, to: descriptor, folder) }
    }
  }

  private static func write(_ bytes: Data, _ path: String) throws { try bytes.write(to: URL(fileURLWithPath: path)) }

  /// Reads a finished dataset whose files are parts of the bytes, each behind its size as two bytes.
  static func read(_ bytes: Data, in folder: String) throws {
    defer { try? removeAll(folder) }
    try makeFolder(folder)
    let dataset = DatasetFolder(folder)
    var rest = bytes[...]
    for path in [dataset.summary] + Split.allCases.flatMap({ [dataset.samples($0), dataset.index($0)] }) {
      let size = rest.prefix(2).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(2)
      try write(Data(rest.prefix(size)), path)
      rest = rest.dropFirst(size)
    }
    let finished = try Dataset(dataset)
    for split in Split.allCases {
      for number in 0..<min(20, finished.count(split)) {
        let sample = try finished.sample(number, split)
        precondition(!sample.captions.isEmpty, "a sample without captions")
      }
    }
  }

  /// A dataset of two samples as `read` takes it.
  static func finished() throws -> Data {
    let folder = NSTemporaryDirectory() + "seed-\(UUID().uuidString)"
    defer { try? removeAll(folder) }
    try makeFolder(folder)
    for (number, image) in images.enumerated() {
      try write(image, "\(folder)/\(number).png")
      try write(Data("caption \(number)".utf8), "\(folder)/\(number).txt")
    }
    let dataset = DatasetFolder("\(folder)/out")
    let collector = try Collector(dataset, options: DatasetOptions(sources: [DatasetSource(folder)], validation: 1))
    try collector.scan()
    try collector.validate(0)
    _ = try collector.merge(shardCaptions: 64)
    return try ([dataset.summary] + Split.allCases.flatMap { [dataset.samples($0), dataset.index($0)] }).reduce(into: Data()) {
      let bytes = try readFile($1)
      $0 += [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
    }
  }
}
