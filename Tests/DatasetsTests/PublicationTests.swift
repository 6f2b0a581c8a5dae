import Foundation
import TestSupport
import Testing

@testable import Datasets

private struct Killed: Error {}

@Suite struct PublicationTests {
  /// Interrupted before each of its changes of files, publishing leaves the old dataset or the new one, whole; the next update
  /// finishes it.
  @Test func aDatasetIsReplacedAsAWhole() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<12)
    let old = try shop.collect([DatasetSource("f")], into: "old", validation: 3)
    let oldSamples = try shop.samples(old)
    try shop.pairs("f", 12..<17)
    let new = try shop.collect([DatasetSource("f")], into: "new", validation: 3)
    let newSamples = try shop.samples(new)
    let files = FileManager.default
    var (stepCount, oldCount, isWhole) = (0, 0, false)
    while !isWhole {
      let folder = DatasetFolder("\(shop.path)/out")
      try? files.removeItem(atPath: folder.path)
      try files.copyItem(atPath: shop.path + "/old", toPath: folder.path)
      try files.createDirectory(atPath: folder.work, withIntermediateDirectories: true)
      try files.copyItem(atPath: shop.path + "/new", toPath: folder.merged.path)
      try files.removeItem(atPath: folder.merged.path + "/dataset.json")
      var step = 0
      do {
        try folder.publish(new.summary) {
          step += 1
          if step > stepCount { throw Killed() }
        }
        isWhole = true
      } catch is Killed {}
      stepCount += 1
      let found = try Dataset(folder)
      let isOld = found.summary == old.summary
      #expect(isOld || found.summary == new.summary, "step \(stepCount)")
      #expect(try shop.samples(found) == (isOld ? oldSamples : newSamples), "step \(stepCount)")
      #expect(try SourceChanges(folder, found.summary.options).added == (isOld ? 5 : 0), "step \(stepCount)")
      if isOld { oldCount += 1 }
      let after = try shop.update()
      #expect(try after.summary == new.summary && shop.samples(after) == newSamples, "step \(stepCount)")
      #expect(!files.fileExists(atPath: folder.work))
    }
    #expect(oldCount == 1 && stepCount > 9, "\(oldCount) of \(stepCount)")
  }

  /// What is left of a collection is not taken for work of the next.
  @Test func workOfAnotherCollectionIsNotUsed() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<6)
    let folder = DatasetFolder("\(shop.path)/out")
    _ = try shop.collect([DatasetSource("f")])
    try FileManager.default.createDirectory(atPath: folder.work, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: "\(folder.work)/validated-0.jsonl"))
    #expect(try shop.samples(shop.update()).count == 6)
  }

  @Test func anUpdateTakesSourcesIn() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<6)
    try shop.pairs("g", 10..<15)
    try shop.write("g/x.png", shop.image(20))
    try shop.write("g/x.json", #"{"title": "a title", "caption": "a caption"}"#)
    let folder = DatasetFolder("\(shop.path)/out")
    let before = try shop.collect([DatasetSource("f", repeat: 2)])
    let source = DatasetSource("\(shop.path)/g", columns: Columns(captions: ["title"]))
    #expect {
      try Collector(folder, options: before.summary.options.adding([source]))
    } throws: {
      "\($0)".contains("add --update, which takes new sources in")
    }
    let after = try shop.update(adding: [source])
    let anew = try shop.collect([DatasetSource("f", repeat: 2), source], into: "anew")
    #expect(try after.summary == anew.summary && shop.samples(after) == shop.samples(anew))
    #expect(try shop.captions(after).contains("a title"))
    // A source that is named again keeps what is not said anew, and other columns read its captions again.
    let again = DatasetSource("\(shop.path)/g/", repeat: 3, columns: Columns(captions: ["caption"]))
    let changed = try shop.update(adding: [again, DatasetSource("\(shop.path)/f")])
    #expect(changed.summary.options.sources.map(\.repeat) == [2, 3])
    #expect(try shop.captions(changed).contains("a caption") && !shop.captions(changed).contains("a title"))
  }

  /// Without a source, whose files may be gone, a dataset is that of the others.
  @Test func anUpdateTakesSourcesOut() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<6)
    try shop.pairs("g", 4..<9)
    try shop.pairs("h", 20..<24)
    let sources = ["f", "g", "h"].map { DatasetSource($0) }
    let before = try shop.collect(sources)
    try FileManager.default.removeItem(atPath: shop.path + "/f")
    #expect {
      try before.summary.options.removing(["\(shop.path)/x"])
    } throws: {
      "\($0)".contains("\(shop.path)/x is none of the dataset's sources, which are \(shop.path)/f, \(shop.path)/g")
    }
    let after = try shop.update(removing: [shop.path + "/f/"])
    let anew = try shop.collect([sources[1], sources[2]], into: "anew")
    #expect(try after.summary == anew.summary && after.identity() == anew.identity() && shop.samples(after) == shop.samples(anew))
    let replaced = try shop.update(
      adding: [DatasetSource("\(shop.path)/h", repeat: 3)], removing: ["g", "h"].map { "\(shop.path)/\($0)" })
    #expect(replaced.summary.options.sources.map(\.repeat) == [3])
    #expect(replaced.summary.distinctTraining + replaced.summary.validation == 4)
  }

  /// A comparison that is stopped says so, and does not take what it has not seen for removed.
  @Test func comparingTakesALimitedTime() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<6)
    let dataset = try shop.collect([DatasetSource("f")])
    let changes = try SourceChanges(DatasetFolder("\(shop.path)/out"), dataset.summary.options, limit: .zero)
    #expect(changes.comparedCount == 1 && changes.isEmpty)
  }
}
