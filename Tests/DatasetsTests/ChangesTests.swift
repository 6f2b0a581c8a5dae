import Errors
import Foundation
import TestSupport
import Testing

@testable import Datasets

extension Workshop {
  fileprivate func changes(_ dataset: Dataset, _ name: String = "out") throws -> SourceChanges {
    try SourceChanges(DatasetFolder("\(path)/\(name)"), dataset.summary.options)
  }

  fileprivate func moveAside(_ from: String, _ to: String) throws {
    try FileManager.default.moveItem(atPath: "\(path)/\(from)", toPath: "\(path)/\(to)")
  }
}

@Suite struct ChangesTests {
  @Test func everyKindOfChangeIsCounted() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<10)
    let members = try (20..<23).flatMap { [("\($0).png", try shop.image($0)), ("\($0).txt", Data("c\($0)".utf8))] }
    try shop.write("a.tar", tar(members))
    try shop.write("m.jsonl", #"{"image": "f/1.png", "caption": "first"}"# + "\n" + #"{"image": "f/2.png", "caption": "second"}"#)
    let dataset = try shop.collect([DatasetSource("f"), DatasetSource("a.tar"), DatasetSource("m.jsonl")])
    #expect(try shop.changes(dataset).isEmpty)
    try shop.pairs("f", 10..<13)
    try shop.write("f/3.png", shop.image(99))
    try shop.write("f/4.txt", "another caption")
    try shop.write("a.tar", tar(Array(members.dropLast(2))))
    try FileManager.default.removeItem(atPath: shop.path + "/f/5.png")
    // A row that has moved down has not changed; one with another caption is another.
    try shop.write("m.jsonl", #"{"image": "f/2.png", "caption": "new"}"# + "\n" + #"{"image": "f/1.png", "caption": "first"}"#)
    let changes = try shop.changes(dataset)
    #expect((changes.added, changes.changed, changes.removed) == (4, 3, 2))
    #expect(changes.description == "4 added, 3 changed, 2 removed")
    try FileManager.default.removeItem(atPath: shop.path + "/a.tar")
    #expect(try shop.changes(dataset).problem?.contains("a.tar: there is no such file") == true)
  }

  @Test func anUpdateIsANewCollection() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<30)
    let members = try (40..<46).flatMap { [("\($0).png", try shop.image($0)), ("\($0).txt", Data("c\($0)".utf8))] }
    try shop.write("a.tar", tar(members))
    let sources = [DatasetSource("f"), DatasetSource("a.tar")]
    let before = try shop.collect(sources, validation: 4)
    try shop.pairs("f", 30..<35)
    try shop.write("f/3.txt", "another caption")
    try FileManager.default.removeItem(atPath: shop.path + "/f/5.png")
    let updated = try shop.update()
    let anew = try shop.collect(sources, into: "anew", validation: 4)
    #expect(updated.summary == anew.summary && updated.identity() == anew.identity() && updated.identity() != before.identity())
    #expect(try shop.samples(updated) == shop.samples(anew))
    #expect(try shop.captions(updated).contains("another caption") && shop.changes(updated).isEmpty)
    #expect(updated.summary.training + updated.summary.validation == 40)
  }

  /// Files of equal path, size and time are not opened.
  @Test func anUpdateReadsNothingTwice() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<6)
    _ = try shop.collect([DatasetSource("f")])
    for number in 0..<6 {
      let path = "\(shop.path)/f/\(number).png"
      var status = stat()
      stat(path, &status)
      try Data(count: Int(status.st_size)).write(to: URL(fileURLWithPath: path))
      #expect(utimensat(AT_FDCWD, path, [status.st_atim, status.st_mtim], 0) == 0)
    }
    try shop.pairs("f", 6..<7)
    #expect(try shop.captions(shop.update()) == (0..<7).map { "picture \($0)" })
  }

  @Test func anUpdateThatFailsLeavesTheDataset() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<4)
    let dataset = try shop.collect([DatasetSource("f")])
    for number in 0..<3 { try FileManager.default.removeItem(atPath: "\(shop.path)/f/\(number).png") }
    #expect { try shop.update() } throws: { "\($0)".contains("1 usable sample (at least 2)") }
    #expect(try Dataset(DatasetFolder(shop.path + "/out")).summary == dataset.summary)
  }

  @Test func compressedArchivesKeepTheirCopies() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<3)
    let members = try (40..<43).flatMap { [("\($0).png", try shop.image($0)), ("\($0).txt", Data("c\($0)".utf8))] }
    try shop.write("a.tar", tar(members))
    let gzip = try Process.run(URL(fileURLWithPath: "/bin/gzip"), arguments: [shop.path + "/a.tar"])
    gzip.waitUntilExit()
    let before = try shop.collect([DatasetSource("f"), DatasetSource("a.tar.gz")])
    try shop.pairs("f", 3..<5)
    let after = try shop.update()
    #expect(before.summary.copies == after.summary.copies && before.summary.copies.count == 1)
    for number in 0..<after.count(.training) { #expect(try after.image(number, .training).width == 24) }
  }

  // MARK: Moved images

  @Test func movedImagesKeepTheIdentity() throws {
    let shop = try Workshop()
    try shop.pairs("old/f", 0..<12)
    try shop.write("old/m.jsonl", #"{"image": "f/1.png", "caption": "first"}"#)
    let sources = [DatasetSource("old/f", repeat: 3), DatasetSource("old/m.jsonl")]
    let before = try shop.collect(sources, validation: 3)
    try shop.moveAside("old", "new")
    #expect(throws: DalleError.self) { try before.image(0, .training) }
    let relocation = Relocation(from: shop.path + "/old", to: shop.path + "/new/")
    #expect(try relocation.apply(to: DatasetFolder(shop.path + "/out")) == 13)
    let after = try Dataset(DatasetFolder(shop.path + "/out"))
    #expect(after.identity() == before.identity() && after.count(.training) == before.count(.training))
    for number in 0..<after.count(.training) {
      #expect(try after.captions(number, .training) == before.captions(number, .training))
      #expect(try after.image(number, .training).width == 24)
    }
    #expect(after.summary.options.sources.map(\.path) == ["\(shop.path)/new/f", "\(shop.path)/new/m.jsonl"])
    #expect(try shop.changes(after).isEmpty)
  }

  @Test func imagesThatAreNotThoseAreRefused() throws {
    let shop = try Workshop()
    try shop.pairs("old", 0..<6)
    let before = try shop.collect([DatasetSource("old")])
    let folder = DatasetFolder(shop.path + "/out")
    func refuses(_ new: String, _ words: String) throws {
      let relocation = Relocation(from: shop.path + "/old", to: "\(shop.path)/\(new)")
      #expect { try relocation.apply(to: folder) } throws: { "\($0)".contains(words) }
      #expect(try Dataset(folder).summary == before.summary)
    }
    try refuses("nowhere", "lacks 6 of the 6 files")
    // The same names and sizes, but another image.
    for number in 0..<6 {
      try shop.write("other/\(number).png", Data(contentsOf: URL(fileURLWithPath: "\(shop.path)/old/\(number).png")))
    }
    var bytes = try Data(contentsOf: URL(fileURLWithPath: shop.path + "/other/2.png"))
    bytes[bytes.count - 1] ^= 1
    try shop.write("other/2.png", bytes)
    try refuses("other", "other/2.png: is not the image")
    #expect { try Relocation(from: "/none", to: "/other").apply(to: folder) } throws: {
      "\($0)".contains("has no files below /none")
    }
  }

  @Test func aSourceMovesWithWhatIsBesideIt() throws {
    let shop = try Workshop()
    try shop.pairs("old/deep/f", 0..<3)
    try shop.write(
      "old/deep/m.jsonl", (0..<3).map { "{\"image\": \"f/\($0).png\", \"caption\": \"c\($0)\"}" }.joined(separator: "\n"))
    _ = try shop.collect([DatasetSource("old/deep/m.jsonl")])
    try shop.moveAside("old", "new")
    let relocation = Relocation(ofSource: shop.path + "/old/deep/m.jsonl", to: shop.path + "/new/deep/m.jsonl")
    #expect(try relocation.apply(to: DatasetFolder(shop.path + "/out")) == 3)
    #expect(try Dataset(DatasetFolder(shop.path + "/out")).image(0, .training).width == 24)
  }

  // MARK: Folders that are no datasets

  @Test func anotherProgramsFileIsNoDataset() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<4)
    try shop.write("f/dataset.json", #"{"labels": [["0.png", 0]]}"#)
    #expect(!DatasetFolder(shop.path + "/f").isDataset)
    #expect(throws: DalleError.self) { try Dataset(DatasetFolder(shop.path + "/f")) }
    #expect(try shop.collect([DatasetSource("f")]).summary.training == 3)
    #expect { try shop.collect([DatasetSource("f")], into: "f") } throws: { "\($0)".contains("is one of the sources") }
    try shop.pairs("g", 0..<4)
    #expect { try shop.collect([DatasetSource("g/")], into: "g") } throws: { "\($0)".contains("is one of the sources") }
    // One of this program's that is damaged or old is still a dataset.
    try shop.write("out/dataset.json", #"{"version": 3}"#)
    #expect(DatasetFolder(shop.path + "/out").isDataset)
    #expect { try Dataset(DatasetFolder(shop.path + "/out")) } throws: { "\($0)".contains("has format version 3") }
  }

  /// Another folder by the same relative name is another source.
  @Test func sourcesAreAbsolute() {
    let here = FileManager.default.currentDirectoryPath
    let paths = ["a/../b/", "./c", "/d//e", "f-{00..10}.tar"]
    #expect(
      DatasetOptions(sources: paths.map { DatasetSource($0) }).sources.map(\.path)
        == ["\(here)/b", "\(here)/c", "/d/e", "\(here)/f-{00..10}.tar"])
  }

  // MARK: Few images, many captions

  @Test func oneDistinctImageIsRefused() throws {
    let shop = try Workshop()
    for number in 0..<6 {
      try shop.write("f/\(number).png", shop.image(1))
      try shop.write("f/\(number).txt", "caption \(number)")
    }
    for duplicates in Filters.Duplicates.allCases {
      var filters = Filters()
      filters.duplicates = duplicates
      #expect { try shop.collect([DatasetSource("f")], into: duplicates.rawValue, filters: filters) } throws: {
        "\($0)".contains("1 distinct image of 6 files (at least 2")
      }
    }
    try shop.write("f/7.png", shop.image(2))
    try shop.write("f/7.txt", "another")
    var filters = Filters()
    filters.duplicates = .keep
    // Copies are not divided, and do not leave one split empty.
    for validation in [1, 3, 100] {
      let dataset = try shop.collect([DatasetSource("f")], into: "keep\(validation)", filters: filters, validation: validation)
      #expect(Set([dataset.summary.training, dataset.summary.validation]) == [1, 6])
    }
  }

  @Test func remarks() throws {
    let shop = try Workshop()
    try shop.pairs("f", 0..<8)
    let lines = (0..<1200).map { "{\"image\": \"f/\($0 % 3 == 0 ? 1 : 0).png\", \"caption\": \"region \($0)\"}" }
    try shop.write("m.jsonl", lines.joined(separator: "\n"))
    let small = try shop.collect([DatasetSource("f")], validation: 256)
    #expect(small.summary.remarks(validationSetting: "--validation").count == 1)
    #expect(small.summary.remarks(validationSetting: "--v")[0].hasPrefix("4 of 8 samples are in the validation split"))
    #expect(try shop.collect([DatasetSource("f")], into: "b", validation: 2).summary.remarks(validationSetting: "").isEmpty)
    let many = try shop.collect([DatasetSource("f"), DatasetSource("m.jsonl")], into: "many", validation: 2).summary
    #expect(many.imagesWithManyCaptions == 2 && many.captionsBeyondShards == 1202 - 128)
    #expect(many.placeholder == nil)
    try shop.write("m.jsonl", (0..<1200).map { "{\"image\": \"f/1.png\", \"caption\": \"product \($0)\"}" }.joined(separator: "\n"))
    let placeholder = try shop.collect([DatasetSource("m.jsonl"), DatasetSource("f")], into: "p", validation: 2).summary
    #expect(placeholder.placeholder == "\(shop.path)/m.jsonl:1" && placeholder.placeholderCaptions == 1201)
  }
}
