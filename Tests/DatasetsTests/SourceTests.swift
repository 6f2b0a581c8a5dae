import Datasets
import Errors
import Foundation
import TestSupport
import Testing

/// What is in a folder or an archive is used, or counted with a reason.
@Suite struct SourceTests {
  private let shop: Workshop

  init() throws { shop = try Workshop() }

  private func unused(_ dataset: Dataset) -> [String: Int] {
    Dictionary(uniqueKeysWithValues: dataset.summary.unused.map { ($0.kind, $0.count) })
  }

  @Test func contentDecides() throws {
    for (number, suffix) in ["png", "jpg_large", "img", "BMP", "jfif", ""].enumerated() {
      try shop.write("f/\(number)\(suffix.isEmpty ? "" : ".")\(suffix)", shop.image(number))
      try shop.write("f/\(number).txt", "c\(number)")
    }
    for name in ["a.md", "b.parquet", "c.parquet", "d.mp4", "no suffix", "list.csv", "alone.txt", "0.npz", ".DS_Store", "e.zip"] {
      try shop.write("f/\(name)", "x")
    }
    try shop.write("f/d.txt", "a video")
    try shop.write("f/img2dataset/00000.tar", tar([("1.png", shop.image(40)), ("1.txt", Data("archived".utf8))]))
    for name in ["00000.parquet", "00000_stats.json"] { try shop.write("f/img2dataset/\(name)", "x") }
    let dataset = try shop.collect([DatasetSource("f")])
    #expect(try shop.captions(dataset) == ["archived"] + (0..<6).map { "c\($0)" })
    #expect(try shop.skips().isEmpty)
    #expect(
      unused(dataset) == [
        ".md files": 1, ".parquet files": 2, ".mp4 files": 1, "files without a suffix": 1, ".csv files": 1, ".txt files": 2,
        ".npz files": 1, "hidden files": 1, ".zip files": 1, "img2dataset's statistics": 2,
      ])
    let lines = dataset.summary.sourceLines
    #expect(
      lines.contains(
        "not used: .parquet files: 2 (the first: \(shop.path)/f/b.parquet); turn them into archives with Launch/import-parquet, "
          + "and name its output as a source"))
  }

  @Test func captionsOfOtherTools() throws {
    let captions = ["a.TXT", "b.caption", "c.png.txt", "d.json", "e.txt", "e.json", "f.txt", "g.json", "h.txt", "i.json"]
    let texts = [
      "a", "b", "c", #"{"prompt": "d"}"#, " \n", #"{"caption": "e"}"#, "f", #"{"labels": 1, "tags": 2}"#, "",
      #"{"caption": NaN, "x": "\ud800"}"#,
    ]
    for (name, text) in zip(captions, texts) { try shop.write("f/\(name)", text) }
    for (number, name) in "abcdefghi".enumerated() { try shop.write("f/\(name).png", shop.image(number)) }
    try shop.write("f/f.json", #"{"caption": "not needed"}"#)
    try shop.write("f/u.png", shop.image(20))
    try shop.write("f/u.txt", Data([0xFF, 0xFE]) + "u16".data(using: .utf16LittleEndian)!)
    let dataset = try shop.collect([DatasetSource("f")])
    #expect(try shop.captions(dataset) == ["NaN", "a", "b", "c", "d", "e", "f", "u16"])
    #expect(unused(dataset) == ["further files with captions of an image": 1])
    let skips = try shop.skips()
    #expect(skips.map(\.reason) == [.noCaption, .noCaption])
    #expect(skips[0].detail.contains("its keys are `labels`, `tags`") && skips[1].detail == "the caption is empty")
  }

  @Test func wholeFilesAsCaptions() throws {
    for number in 0..<4 {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", "**a cat \(number)**\n\n- style: photo\n")
    }
    let lines = try shop.collect([DatasetSource("f")], into: "lines")
    #expect(try shop.captions(lines).count == 8)
    #expect(
      lines.summary.sourceLines == [
        "4 of 4 caption files have several lines, and each line is a caption of its own; --captions file takes the whole file as one"
      ])
    let whole = try shop.collect([DatasetSource("f")], into: "whole", captionForm: .file)
    #expect(try shop.captions(whole) == (0..<4).map { "**a cat \($0)** - style: photo" })
    #expect(whole.summary.sourceLines.isEmpty)
  }

  @Test func foldersAreUsedOnce() throws {
    for number in 0..<3 {
      try shop.write("all/f/sub/\(number).png", shop.image(number))
      try shop.write("all/f/sub/\(number).txt", "c\(number)")
    }
    try shop.write("all/beside/9.png", shop.image(9))
    try shop.write("all/beside/9.txt", "not in the source")
    let folder = "\(shop.path)/all/f"
    for (name, target) in [("self", "."), ("up", ".."), ("again", "sub"), ("a-first", "sub"), ("sub/top", "..")] {
      try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: target)
    }
    mkfifo("\(folder)/pipe", 0o600)
    mkfifo("\(folder)/pipe.tar", 0o600)
    try FileManager.default.createSymbolicLink(atPath: "\(folder)/gone.txt", withDestinationPath: "nowhere")
    var filters = Filters()
    filters.duplicates = .keep
    let dataset = try shop.collect([DatasetSource("all/f")], filters: filters)
    #expect(try shop.captions(dataset) == ["c0", "c1", "c2"])
    #expect(
      unused(dataset) == ["links to folders that are used already": 5, "pipes, sockets and devices": 2, "broken links": 1])
    mkfifo("\(folder)/pipe.jsonl", 0o600)
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("all/f/pipe.jsonl")], into: "pipe") }
  }

  @Test func namesOfAllKinds() throws {
    try FileManager.default.createDirectory(atPath: "\(shop.path)/f", withIntermediateDirectories: true)
    // The last one is not UTF-8. Two names differ for the file system, but not for Unicode.
    let names: [[UInt8]] = ["new\nline", "e\u{301}", "\u{e9}", "a.b.c", "back\\slash"].map { Array($0.utf8) } + [[0x62, 0xFF]]
    for (number, name) in names.enumerated() {
      for (suffix, bytes) in [(".png", try shop.image(number)), (".txt", Data("c\(number)".utf8))] {
        let path = Array("\(shop.path)/f/".utf8) + name + Array(suffix.utf8) + [0]
        let descriptor = path.withUnsafeBufferPointer {
          $0.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_WRONLY | O_CREAT, 0o600) }
        }
        #expect(bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count)
        close(descriptor)
      }
    }
    let dataset = try shop.collect([DatasetSource("f")])
    let samples = try shop.samples(dataset).sorted { $0.captions[0] < $1.captions[0] }
    #expect(samples.map(\.captions) == (0..<5).map { ["c\($0)"] })
    #expect(unused(dataset) == ["names that are not UTF-8": 2])
    for number in 0..<dataset.count(.training) { _ = try dataset.image(number, .training) }
  }

  /// Hugging Face's imagefolder: a metadata file, also one per split, beside files of captions.
  @Test func foldersWithMetadata() throws {
    for number in 0..<6 { try shop.write("hf/\(number < 3 ? "train" : "test/sub")/\(number).png", shop.image(number)) }
    try shop.write(
      "hf/train/metadata.jsonl", (0..<3).map { "{\"file_name\": \"\($0).png\", \"text\": \"c\($0)\"}" }.joined(separator: "\n"))
    try shop.write("hf/metadata.csv", "file_name,text\ntest/sub/3.png,c3\ntest/sub/4.png,\"c4, d\"\ntest/sub/none.png,x\n")
    try shop.write("hf/test/sub/4.txt", "also this")
    let dataset = try shop.collect([DatasetSource("hf")])
    #expect(try shop.captions(dataset) == ["also this", "c0", "c1", "c2", "c3", "c4, d"])
    let skips = try shop.skips()
    #expect(skips.map(\.reason) == [.missingImage, .noCaption])
    #expect(skips[0].location.hasSuffix("metadata.csv:4") && skips[1].location.hasSuffix("5.png"))
    #expect(dataset.summary.unused.isEmpty)
    // One that cannot be used is listed.
    try shop.write("hf/train/metadata.jsonl", "{\"file_name\": \"gone.png\", \"text\": \"c\"}")
    _ = try shop.collect([DatasetSource("hf")], into: "gone")
    #expect(
      try shop.skips("gone").contains { $0.location.hasSuffix("metadata.jsonl") && $0.detail.contains("none of its 1 images") })
  }

  /// Kohya's folders: `10_NAME` repeats its samples, unless the source has a `repeat`.
  @Test func foldersThatRepeat() throws {
    for number in 0..<6 {
      try shop.write("k/\(number < 3 ? "4_dog" : "1_cat/deep")/\(number).png", shop.image(number))
      try shop.write("k/\(number < 3 ? "4_dog" : "1_cat/deep")/\(number).caption", "c\(number)")
    }
    let dataset = try shop.collect([DatasetSource("k")])
    let counts = Dictionary(grouping: try (0..<dataset.count(.training)).map { try dataset.captions($0, .training)[0] }) { $0 }
      .mapValues(\.count)
    for (caption, count) in counts { #expect(count == (caption < "c3" ? 4 : 1), "\(caption)") }
    #expect(dataset.summary.notes.count == 2)
    let once = try shop.collect([DatasetSource("k", repeat: 1)], into: "once")
    #expect(once.count(.training) == 5 && once.summary.notes.isEmpty)
    // Other names beside them: numbers are parts of names.
    try shop.write("k/readme/9.png", shop.image(9))
    #expect(try shop.collect([DatasetSource("k")], into: "mixed").count(.training) == 5)
  }

  @Test func membersOfOneKey() throws {
    let image = { (number: Int) in try shop.image(number) }
    let caption = { (text: String) in Data(text.utf8) }
    let members: [(String, Data)] = [
      // Keys with dots, kinds of two parts, several images of a key, a mask, another kind of caption.
      ("a.b0.png", try image(0)), ("a.b0.txt", caption("a0")), ("a.b1.png", try image(1)), ("a.b1.txt", caption("a1")),
      ("t.image.png", try image(2)), ("t.text.txt", caption("t")), ("m.left.png", try image(3)), ("m.right.png", try image(4)),
      ("m.txt", caption("m")), ("k.png", try image(5)), ("k.mask.png", try image(6)), ("k.txt", caption("k")),
      ("c.png", try image(7)), ("c.caption", caption("c")), ("./s.png", try image(8)), ("s.TXT", caption("s")),
      // Nothing to use: a class, a caption alone, an archive, a hidden file.
      ("l.png", try image(9)), ("l.cls", caption("3")), ("alone.txt", caption("x")), ("nested.tar", caption("x")),
      ("._k.png", caption("x")), ("readme", caption("x")), ("x.png", try image(10)), ("x.txt", caption("")),
      ("x.json", caption(#"{"text": "x"}"#)),
    ]
    for (name, list) in [("sorted", members), ("unsorted", Array(members.reversed()))] {
      try shop.write("\(name).tar", tar(list))
      let dataset = try shop.collect([DatasetSource("\(name).tar")], into: name)
      #expect(try shop.captions(dataset) == ["a0", "a1", "c", "k", "m", "m", "s", "t", "x"], "\(name)")
      let skips = try shop.skips(name).map { "\($0.location.split(separator: ":").last!) \($0.reason.rawValue)" }
      #expect(skips.sorted() == ["alone image missing", "l no caption"])
      #expect(
        unused(dataset) == [
          ".cls files": 1, ".tar files": 1, "hidden files": 1, "files without a suffix": 1, "further images of a key": 1,
        ])
      for number in 0..<dataset.count(.training) {
        #expect(try dataset.image(number, .training).width == 24)
      }
    }
  }

  /// All images first, then all captions; links; archives that were appended to each other: plain and compressed.
  @Test func archivesOfPlainTar() throws {
    let script = """
      mkdir in; cd in; for n in 0 1 2 3; do cp ../$n.png .; echo c$n > $n.txt; done
      ln 0.png h.png; echo hard > h.txt; ln -s 1.png s.png; echo symbolic > s.txt; ln -s nowhere.png b.png; mkfifo pipe
      tar cf ../t.tar *.png *.txt pipe; gzip -k ../t.tar; cd ..; mkdir more; cp in/2.png more/9.png; echo more > more/9.txt
      tar cf more.tar more; cat t.tar more.tar > both.tar
      """
    for number in 0..<4 { try shop.write("\(number).png", shop.image(number)) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-euo", "pipefail", "-c", script]
    process.currentDirectoryURL = URL(fileURLWithPath: shop.path)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    var filters = Filters()
    filters.duplicates = .keep
    for name in ["t.tar", "t.tar.gz", "both.tar"] {
      let dataset = try shop.collect([DatasetSource(name)], into: "out-\(name)", filters: filters)
      let expected = ["c0", "c1", "c2", "c3", "hard"] + (name == "both.tar" ? ["more"] : []) + ["symbolic"]
      #expect(try shop.captions(dataset) == expected, "\(name)")
      #expect(unused(dataset) == ["broken links": 1, "pipes, sockets and devices": 1])
      for sample in try shop.samples(dataset) where sample.captions == ["hard"] {
        #expect(sample.contentHash == (try shop.samples(dataset).first { $0.captions == ["c0"] })?.contentHash)
      }
    }
  }

  @Test func foldersThatAreNoDatasets() throws {
    for number in 0..<4 {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", "c\(number)")
    }
    try shop.write("f/dataset.json", #"{"labels": [["0.png", 0]]}"#)
    #expect(!DatasetFolder("\(shop.path)/f").isDataset)
    let dataset = try shop.collect([DatasetSource("f")])
    #expect(DatasetFolder("\(shop.path)/out").isDataset && unused(dataset) == [".json files": 1])
    #expect { try shop.collect([DatasetSource("f")], into: "f") } throws: { "\($0)".contains("is one of the sources") }
    try shop.write("other/dataset.json", "{}")
    #expect { try shop.collect([DatasetSource("f")], into: "other") } throws: {
      "\($0)".contains("is a folder with another program's dataset.json")
    }
    // A dataset's own folder is no part of its source.
    let inside = try shop.collect([DatasetSource("f")], into: "f/set")
    #expect(unused(inside) == [".json files": 1])
  }
}
