import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Whatever sources hold is used or counted: random folders, archives and manifests, whose contents are known.
@Suite struct SumTests {
  /// What was put into the sources.
  private struct Contents {
    var images = 0
    var captions = 0
    var otherFiles = 0
  }

  private struct Maker {
    var random: SeededRandom
    var contents = Contents()
    let shop: Workshop

    init(seed: UInt64, _ shop: Workshop) { (random, self.shop) = (SeededRandom(seed: seed), shop) }

    private mutating func one<Value>(of values: [Value]) -> Value { values.randomElement(using: &random)! }

    private mutating func image() throws -> Data {
      contents.images += 1
      switch Int.random(in: 0..<8, using: &random) {
      case 0: return Data("no image".utf8)
      case 1: return try shop.image(1)
      case 2: return try shop.image(2, width: 10, height: 24)
      default: return try shop.image(Int.random(in: 0..<200, using: &random))
      }
    }

    private mutating func captions() -> [String] {
      let captions = (0..<Int.random(in: 0..<4, using: &random)).map { _ in
        one(of: ["a dog", "a dog", "two cats", "\u{200B}", String(repeating: "long ", count: 9), "x\0y", "&amp;"])
      }
      contents.captions += captions.count
      return captions
    }

    mutating func folder() throws -> [(String, Data)] {
      var files: [(String, Data)] = []
      for number in 0..<Int.random(in: 1..<12, using: &random) {
        let name = one(of: ["", "sub/", "sub/x/"]) + "\(number)"
        files.append(("\(name).\(one(of: ["png", "jpg", "PNG"]))", try image()))
        let texts = captions()
        switch Int.random(in: 0..<4, using: &random) {
        case 0: contents.captions -= texts.count
        case 1: files.append(("\(name).json", try JSONEncoder().encode(["caption": texts])))
        case 2: files.append(("\(name).caption", Data(texts.joined(separator: "\n").utf8)))
        default: files.append(("\(name).txt", Data(texts.joined(separator: "\n\n").utf8)))
        }
        if Bool.random(using: &random) {
          contents.otherFiles += 1
          files.append(("other\(number).\(one(of: ["parquet", "xyz", "csv", "mp4"]))", Data("other".utf8)))
        }
      }
      return files
    }

    mutating func manifest() throws -> [(String, Data)] {
      var (files, rows): ([(String, Data)], [String]) = ([], [])
      for number in 0..<Int.random(in: 1..<10, using: &random) {
        let bytes = try image()
        if Int.random(in: 0..<4, using: &random) > 0 { files.append(("images/\(number).png", bytes)) }
        let name = one(of: ["images/\(number).png", "images/\(number).png", "https://host/\(number).png"])
        rows.append(String(decoding: try JSONEncoder().encode(["image": [name], "caption": captions()]), as: UTF8.self))
        rows[rows.count - 1] = rows.last!.replacingOccurrences(
          of: #"\[("(?:images|https)[^"]*")\]"#, with: "$1", options: .regularExpression)
      }
      files.append(("images/good.png", try shop.image(250)))
      rows.append(#"{"image": "images/good.png", "caption": "good"}"#)
      contents.images += 1
      contents.captions += 1
      return files + [("list.jsonl", Data(rows.joined(separator: "\n").utf8))]
    }
  }

  @Test(arguments: 0..<40) func everythingIsUsedOrCounted(_ seed: Int) throws {
    let shop = try Workshop()
    var maker = Maker(seed: UInt64(seed), shop)
    for number in 0..<2 {
      try shop.write("good/\(number).png", shop.image(300 + number))
      try shop.write("good/\(number).txt", "good")
    }
    maker.contents.images += 2
    maker.contents.captions += 2
    for (name, bytes) in try maker.folder() { try shop.write("folder/" + name, bytes) }
    for (name, bytes) in try maker.manifest() { try shop.write("list/" + name, bytes) }
    try shop.write("a.tar", tar(try maker.folder()))
    try shop.write("b.tar", tar(try maker.folder()))
    let gzip = try Process.run(URL(fileURLWithPath: "/bin/gzip"), arguments: [shop.path + "/b.tar"])
    gzip.waitUntilExit()
    var filters = Filters()
    filters.maximumCharacters = 20
    filters.aspectRatio = 2
    filters.duplicates = seed % 2 == 0 ? .merge : .near
    let dataset = try shop.collect(
      [
        DatasetSource("good"), DatasetSource("folder", repeat: 0.5), DatasetSource("list/list.jsonl"), DatasetSource("a.tar"),
        DatasetSource("b.tar.gz"),
      ],
      filters: filters)
    let (summary, contents) = (dataset.summary, maker.contents)
    #expect(summary.foundSamples == contents.images, "\(summary.sumLines)")
    #expect(summary.captions?.found == contents.captions, "\(summary.sumLines)")
    let listed = try String(contentsOfFile: shop.path + "/out/train.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try JSONDecoder().decode(Sample.self, from: Data($0.utf8)) }
    let validation = try (0..<dataset.count(.validation)).map { try dataset.sample($0, .validation) }
    #expect(summary.captions?.used == (listed + validation).map(\.captions.count).reduce(0, +), "\(summary.sumLines)")
    #expect(summary.unused.map(\.count).reduce(0, +) == contents.otherFiles, "\(summary.unused)")
    let skips = try shop.skips()
    #expect(skips.count { $0.keepsSample != true } == summary.skipped.values.reduce(0, +))
    #expect(skips.count { $0.keepsSample == true } == summary.skippedParts.values.reduce(0, +))
    let again = try SourceChanges(DatasetFolder(shop.path + "/out"), summary.options)
    #expect(again.isEmpty)
  }

  /// A duplicate of a near duplicate is a near duplicate, and those behind it are merged all the same.
  @Test func nearDuplicatesDoNotStopMerging() throws {
    let shop = try Workshop()
    let one = try shop.image(5)
    // The same pixels in other bytes: a PNG may have data behind its end.
    let (near, other) = (one + [0], try shop.image(90))
    for (number, bytes) in [one, near, near, other, other].enumerated() {
      try shop.write("f/\(number).png", bytes)
      try shop.write("f/\(number).txt", "caption \(number)")
    }
    try shop.write("f/9.png", shop.image(33))
    try shop.write("f/9.txt", "caption 9")
    var filters = Filters()
    filters.duplicates = .near
    let dataset = try shop.collect([DatasetSource("f")], filters: filters)
    #expect(try shop.captions(dataset) == ["caption 0", "caption 3", "caption 4", "caption 9"])
    #expect(dataset.summary.skipped == ["near duplicate": 2] && dataset.summary.merged == 1)
  }
}
