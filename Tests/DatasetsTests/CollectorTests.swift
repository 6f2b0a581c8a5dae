import Datasets
import Errors
import Foundation
import Images
import TestSupport
import Testing

/// A tar archive in memory.
func tar(_ members: [(name: String, bytes: Data)], gnuLongNames: Bool = false) -> Data {
  func header(_ name: String, _ size: Int, type: Character) -> Data {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) { for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte } }
    put(String(name.prefix(100)), at: 0)
    put("0000644", at: 100)
    put(String(repeating: "0", count: 11 - String(size, radix: 8).count) + String(size, radix: 8), at: 124)
    put(String(type), at: 156)
    put("ustar\u{0}00", at: 257)
    put("        ", at: 148)
    let sum = block.reduce(0) { $0 + Int($1) }
    put(String(repeating: "0", count: 6 - String(sum, radix: 8).count) + String(sum, radix: 8) + "\u{0} ", at: 148)
    return Data(block)
  }
  func padded(_ bytes: Data) -> Data { bytes + Data(count: (512 - bytes.count % 512) % 512) }
  var archive = Data()
  for (name, bytes) in members {
    if name.utf8.count > 100 {
      let long = Data(name.utf8) + [0]
      if gnuLongNames {
        archive += header("././@LongLink", long.count, type: "L") + padded(long)
      } else {
        let body = " path=\(name)\n"
        let length = body.utf8.count + String(body.utf8.count + 3).utf8.count
        let record = Data("\(length)\(body)".utf8)
        archive += header("PaxHeader", record.count, type: "x") + padded(record)
      }
    }
    archive += header(name, bytes.count, type: "0") + padded(bytes)
  }
  return archive + Data(count: 1024)
}

@Suite struct CollectorTests {
  @Test func everyFormGivesTheSameSamples() throws {
    let shop = try Workshop()
    var (jsonl, csv, tsv) = ("", "image,caption,more\n", "image\tcaption\r\n")
    var members: [(String, Data)] = []
    for number in 0..<10 {
      let image = try shop.image(number)
      try shop.write("folder/sub\(number % 2)/p\(number).png", image)
      try shop.write("folder/sub\(number % 2)/p\(number).txt", "picture, \"\(number)\"\n")
      let path = "folder/sub\(number % 2)/p\(number).png"
      jsonl += "{\"image\": \"\(path)\", \"caption\": \"picture, \\\"\(number)\\\"\"}\n"
      csv += "\(path),\"picture, \"\"\(number)\"\"\",x\n"
      tsv += "\(path)\tpicture, \"\(number)\"\r\n"
      members += [("0/p\(number).png", image), ("0/p\(number).txt", Data("picture, \"\(number)\"".utf8))]
    }
    try shop.write("a.jsonl", jsonl)
    try shop.write("b.csv", csv)
    try shop.write("c.tsv", tsv)
    try shop.write("d-00000.tar", tar(Array(members[..<8])))
    try shop.write("d-00001.tar", tar(Array(members[8...])))
    let expected = (0..<10).map { "picture, \"\($0)\"" }
    let sources = ["folder", "a.jsonl", "b.csv", "c.tsv", "d-{00000..00001}.tar", "d-*.tar"]
    var validation: Set<String> = []
    for (index, source) in sources.enumerated() {
      let dataset = try shop.collect([DatasetSource(source)], into: "out\(index)")
      #expect(try shop.captions(dataset) == expected, "\(source)")
      #expect(try dataset.image(0, .training).width == 24)
      #expect(try shop.skips("out\(index)").isEmpty)
      validation.insert(try dataset.captions(0, .validation)[0])
    }
    // The validation split depends on the images, not on their source.
    #expect(validation.count == 1)
    // All sources together: the same images, each once.
    let all = try shop.collect(sources.map { DatasetSource($0) }, into: "all")
    #expect(try shop.captions(all) == expected)
    #expect(all.summary.merged == 50)
  }

  @Test func captionsOfOneImage() throws {
    let shop = try Workshop()
    for number in 0..<4 { try shop.write("f/\(number).png", shop.image(number)) }
    try shop.write("f/0.txt", "\u{FEFF}  one \t two  \r\n\r\nthree\n")
    try shop.write("f/1.json", #"{"caption": ["four", "five"], "url": 1}"#)
    try shop.write("f/2.txt", "six")
    try shop.write("f/2.json", #"{"caption": "not used: the text file has precedence"}"#)
    try shop.write("f/3.txt", "seven\nseven")
    let dataset = try shop.collect([DatasetSource("f")])
    #expect(Set(try shop.samples(dataset).map(\.captions)) == [["one two", "three"], ["four", "five"], ["six"], ["seven"]])
    #expect(dataset.summary.training == 3 && dataset.summary.validation == 1)
  }

  @Test func longNamesInArchives() throws {
    let shop = try Workshop()
    for (index, gnu) in [true, false].enumerated() {
      let long = String(repeating: "folder/", count: 30)
      let members = try (0..<3).flatMap { [("\(long)\($0).png", try shop.image($0)), ("\(long)\($0).txt", Data("c\($0)".utf8))] }
      try shop.write("\(index).tar", tar(members, gnuLongNames: gnu))
      let dataset = try shop.collect([DatasetSource("\(index).tar")], into: "out\(index)")
      #expect(try shop.captions(dataset) == ["c0", "c1", "c2"])
    }
  }

  @Test func badInputIsCountedAndListed() throws {
    let shop = try Workshop()
    for number in 0..<3 {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", "good \(number)")
    }
    let png = try shop.image(9)
    let cases: [(name: String, image: Data?, caption: Data?, reason: SkipReason)] = [
      ("cut", png.prefix(png.count / 2), Data("x".utf8), .unreadableImage),
      ("zero", Data(), Data("x".utf8), .unreadableImage),
      ("text", Data("I am text".utf8), Data("x".utf8), .unreadableImage),
      ("alone", png, nil, .noCaption),
      ("blank", png, Data(" \n\t\n".utf8), .noCaption),
      ("latin1", png, Data([0x63, 0xE9]), .unreadableCaption),
      ("nul", png, Data("a\u{0}b".utf8), .unreadableCaption),
      ("long", png, Data(String(repeating: "word ", count: 20_000).utf8), .captionLength),
    ]
    for (name, image, caption, _) in cases {
      if let image { try shop.write("f/\(name).png", image) }
      if let caption { try shop.write("f/\(name).txt", caption) }
    }
    try shop.write("f/readme.md", "no image")
    let dataset = try shop.collect([DatasetSource("f")])
    #expect(try shop.captions(dataset) == ["good 0", "good 1", "good 2"])
    let skips = try shop.skips()
    for (name, _, _, reason) in cases {
      let skip = try #require(skips.first { $0.location.hasSuffix("/\(name).png") }, "\(name)")
      #expect(skip.reason == reason, "\(name): \(skip.detail)")
    }
    #expect(skips.count == cases.count)
    #expect(dataset.summary.skipped.values.reduce(0, +) == cases.count)
  }

  @Test func manifestsWithMistakes() throws {
    let shop = try Workshop()
    for number in 0..<3 { try shop.write("\(number).png", shop.image(number)) }
    try shop.write(
      "m.jsonl",
      """
      {"image": "0.png", "caption": "zero"}
      not json
      {"image": "missing.png", "caption": "c"}
      {"image": "1.png"}
      {"caption": "c"}

      {"image": "1.png", "caption": "one"}
      {"image": "2.png", "caption": ["two", "deux"]}
      """)
    let dataset = try shop.collect([DatasetSource("m.jsonl")])
    #expect(try shop.captions(dataset) == ["deux", "one", "two", "zero"])
    let skips = try shop.skips().map { ($0.location.suffix(9), $0.reason) }
    #expect(
      skips.map { "\($0.0) \($0.1.rawValue)" } == [
        "m.jsonl:2 source damaged", "m.jsonl:3 image missing", "m.jsonl:4 no caption", "m.jsonl:5 image missing",
      ])
    // A field in quotes over two lines; a row that is too short; columns of other names.
    try shop.write("m.csv", "\u{FEFF}foto,words\n0.png,\"zero\nzero\"\n1.png\n1.png,one\n2.png,\"two")
    let table = try shop.collect([DatasetSource("m.csv")], into: "csv", columns: Columns(image: "foto", captions: ["words"]))
    #expect(try shop.captions(table) == ["one", "zero zero"])
    #expect(try shop.skips("csv").map(\.reason) == [.damagedSource, .damagedSource])
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("m.csv")], into: "csv2") }
  }

  @Test func quotesInTables() throws {
    let shop = try Workshop()
    for number in 0..<6 { try shop.write("\(number).png", shop.image(number)) }
    try shop.write(
      "m.csv",
      "image,caption\n0.png,5\" nails\n1.png,\"a \"\"b\"\", c\nd\"\n2.png,\"\"\n3.png,\"x\"y\n\n4.png,\"no end\n5.png,not lost\n")
    let dataset = try shop.collect([DatasetSource("m.csv")])
    #expect(try shop.captions(dataset) == ["5\" nails", "a \"b\", c d", "not lost"])
    let skips = try shop.skips()
    #expect(skips.map(\.reason) == [.noCaption, .damagedSource, .damagedSource])
    #expect(skips[1].location.hasSuffix("m.csv:6") && skips[1].detail.contains("closing quote"))
    #expect(skips[2].location.hasSuffix("m.csv:8") && skips[2].detail.contains("is not closed"))
  }

  @Test func archivesWithMistakes() throws {
    let shop = try Workshop()
    var members: [(String, Data)] = []
    for number in 0..<6 {
      members += [("\(number).png", try shop.image(number)), ("\(number).txt", Data("c\(number)".utf8))]
    }
    members.insert(("1.png", try shop.image(40)), at: 3)
    members += [("alone.txt", Data("c".utf8)), ("image.png", try shop.image(41))]
    let whole = tar(members)
    try shop.write("whole.tar", whole)
    let dataset = try shop.collect([DatasetSource("whole.tar")], into: "whole")
    #expect(try shop.captions(dataset) == (0..<6).map { "c\($0)" })
    #expect(try shop.skips("whole").map(\.reason) == [.duplicate, .missingImage, .noCaption])

    // Members before a cut are used, and the cut is reported.
    for (index, count) in [whole.count / 2, whole.count / 2 + 300, 6000].enumerated() {
      try shop.write("cut\(index).tar", whole.prefix(count))
      let dataset = try shop.collect([DatasetSource("cut\(index).tar")], into: "cut\(index)")
      #expect(dataset.summary.training >= 1)
      #expect(try shop.skips("cut\(index)").contains { $0.reason == .damagedSource && $0.detail.contains("cut off") })
    }
    try shop.write("other.tar", Data("no archive at all".utf8) + Data(count: 2000))
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("other.tar")], into: "other") }
    #expect(try shop.skips("other").map(\.reason) == [.damagedSource])
  }

  @Test func invalidSources() throws {
    let shop = try Workshop()
    try shop.write("empty/readme.txt", "x")
    try shop.write("thing.zip", "x")
    try shop.write("header.csv", "image,caption\n")
    for (source, words) in [
      ("nowhere", "no such file"), ("thing.zip", "not a source"), ("empty", "0 usable samples"), ("a-{3..1}.tar", "must go up"),
      ("header.csv", "0 usable samples (at least 2): the sources have no entries"),
    ] {
      #expect { try shop.collect([DatasetSource(source)], into: "out-" + source.prefix(3)) } throws: { "\($0)".contains(words) }
    }
  }

  @Test func filtersCountWhatTheyDrop() throws {
    let shop = try Workshop()
    let cases: [(caption: String, width: Int, height: Int, reason: SkipReason?)] = [
      ("a dog runs in the park", 24, 24, nil), ("a cat sleeps", 24, 40, nil), ("dog", 24, 24, .captionLength),
      ("12-34-56 / 78", 24, 24, .letterShare), ("собака бежит в парке", 24, 24, .script), ("IMG_2034.jpg", 24, 24, .boilerplate),
      ("photographed on 3 May 2009", 24, 24, .boilerplate), ("a wide view", 60, 24, .aspectRatio),
      ("a small thing", 8, 8, .smallImage), ("a thing for sail", 24, 24, .boilerplate),
    ]
    for (number, item) in cases.enumerated() {
      try shop.write("f/\(number).png", shop.image(number, width: item.width, height: item.height))
      try shop.write("f/\(number).txt", item.caption)
    }
    var filters = Filters.published
    filters.minimumSide = 16
    filters.patterns = ["for sa(i|l)"]
    let dataset = try shop.collect([DatasetSource("f")], filters: filters)
    #expect(try shop.captions(dataset) == ["a cat sleeps", "a dog runs in the park"])
    let skips = try shop.skips()
    for (number, item) in cases.enumerated() {
      #expect(skips.first { $0.location.hasSuffix("/\(number).png") }?.reason == item.reason, "\(item.caption)")
    }
    let counts = Dictionary(grouping: cases.compactMap(\.reason), by: \.rawValue).mapValues(\.count)
    #expect(dataset.summary.skipped == counts && counts["boilerplate"] == 3)
    filters.patterns = ["("]
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("f")], into: "bad", filters: filters) }
  }

  /// A value at a limit is kept, one beyond it is skipped; a filter that is off keeps everything.
  @Test func filtersKeepWhatIsAtTheirLimits() throws {
    let shop = try Workshop()
    var number = 0
    /// Why a sample is skipped; nil if it is kept.
    func skipReason(_ caption: String, width: Int = 24, height: Int = 24, _ change: (inout Filters) -> Void) throws -> SkipReason? {
      number += 1
      let folder = "f\(number)"
      for (position, name) in ["x", "good 1", "good 2"].enumerated() {
        let size = name == "x" ? (width, height) : (24, 24)
        try shop.write("\(folder)/\(name).png", shop.image(number + position, width: size.0, height: size.1))
        try shop.write("\(folder)/\(name).txt", name == "x" ? caption : "abcde fghij")
      }
      var filters = Filters()
      filters.duplicates = .keep
      change(&filters)
      _ = try shop.collect([DatasetSource(folder)], into: "out\(number)", filters: filters)
      let skips = try shop.skips("out\(number)")
      #expect(skips.count <= 1 && skips.allSatisfy { $0.location.hasSuffix("x.png") })
      return skips.first?.reason
    }
    #expect(try skipReason("12345") { $0.minimumCharacters = 5 } == nil)
    #expect(try skipReason("1234") { $0.minimumCharacters = 5 } == .captionLength)
    // Characters are grapheme clusters, not bytes or scalars.
    #expect(try skipReason("👩‍👩‍👧‍👦🏳️‍🌈é漢字") { $0.minimumCharacters = 5 } == nil)
    #expect(try skipReason("👩‍👩‍👧‍👦🏳️‍🌈é漢字") { ($0.minimumCharacters, $0.maximumCharacters) = (1, 12) } == nil)
    #expect(try skipReason("123456789012") { $0.maximumCharacters = 12 } == nil)
    #expect(try skipReason("1234567890123") { $0.maximumCharacters = 12 } == .captionLength)
    #expect(try skipReason("ab 12") { $0.letterShare = 0.5 } == nil)
    #expect(try skipReason("ab 123") { $0.letterShare = 0.5 } == .letterShare)
    #expect(try skipReason("abcd ж") { $0.script = .latin } == nil)
    #expect(try skipReason("abc ж") { $0.script = .latin } == .script)
    #expect(try skipReason("wide", width: 48) { $0.aspectRatio = 2 } == nil)
    #expect(try skipReason("wide", width: 49) { $0.aspectRatio = 2 } == .aspectRatio)
    #expect(try skipReason("tall", height: 49) { $0.aspectRatio = 2 } == .aspectRatio)
    #expect(try skipReason("wide", width: 480) { _ in } == nil)
    #expect(try skipReason("small", width: 24, height: 16) { $0.minimumSide = 16 } == nil)
    #expect(try skipReason("small", width: 15, height: 24) { $0.minimumSide = 16 } == .smallImage)
    #expect(try skipReason("large", width: 40, height: 25) { $0.maximumPixels = 1000 } == nil)
    #expect(try skipReason("large", width: 40, height: 26) { $0.maximumPixels = 1000 } == .largeImage)
    let bytes = try shop.image(1, width: 300, height: 200).count
    #expect(try skipReason("heavy", width: 300, height: 200) { $0.maximumBytes = bytes - 50 } == .largeImage)
    #expect(try skipReason("a black cat sleeps, by shutterstock") { $0.boilerplate = true } == nil)
    #expect(try skipReason("cat by shutterstock, getty images") { $0.boilerplate = true } == .boilerplate)
    #expect(try skipReason("IMG_2034.jpg") { _ in } == nil)
  }

  /// Skipped samples, and skipped captions of kept samples, are counted separately.
  @Test func skippedCaptionsOfKeptSamples() throws {
    let shop = try Workshop()
    for (number, text) in ["good one\nx\ny", "x\ny", "good two", "good three\nx\nIMG_1.jpg"].enumerated() {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", text)
    }
    try shop.write("t.tar", tar([("7.png", shop.image(7)), ("7.png", shop.image(8)), ("7.txt", Data("good four".utf8))]))
    var filters = Filters()
    (filters.minimumCharacters, filters.boilerplate) = (3, true)
    let dataset = try shop.collect([DatasetSource("f"), DatasetSource("t.tar")], filters: filters)
    #expect(try shop.captions(dataset) == ["good four", "good one", "good three", "good two"])
    #expect(dataset.summary.skipped == ["caption length": 1])
    #expect(dataset.summary.skippedParts == ["caption length": 3, "boilerplate": 1, "duplicate": 1])
    #expect(
      dataset.summary.skippedLines == [
        "skipped 1 sample: caption length", "skipped 3 captions or files of kept samples: caption length",
        "skipped 1 caption or file of a kept sample: boilerplate",
        "skipped 1 caption or file of a kept sample: duplicate",
      ])
    #expect(try shop.skips().map { $0.keepsSample ?? false }.count { $0 } == 5)
  }

  @Test func everyScriptKnowsItsOwn() throws {
    let captions: [(Script, String)] = [
      (.latin, "Ein Mädchen"), (.greek, "ένα κορίτσι"), (.cyrillic, "девочка"), (.hebrew, "ילדה קטנה"), (.arabic, "فتاة صغيرة"),
      (.devanagari, "छोटी लड़की"), (.thai, "เด็กหญิง"), (.hangul, "작은 소녀"), (.kana, "ちいさなオンナノコ"), (.han, "小女孩"),
    ]
    #expect(captions.count == Script.allCases.count)
    let shop = try Workshop()
    for (number, (_, caption)) in captions.enumerated() {
      for copy in 0..<2 {
        try shop.write("f/\(number)-\(copy).png", shop.image(10 * number + copy))
        try shop.write("f/\(number)-\(copy).txt", caption)
      }
    }
    for (script, caption) in captions {
      var filters = Filters()
      filters.script = script
      let dataset = try shop.collect([DatasetSource("f")], into: script.rawValue, filters: filters)
      #expect(try shop.captions(dataset) == [caption, caption], "\(script)")
      #expect(dataset.summary.skipped == [SkipReason.script.rawValue: 2 * (captions.count - 1)])
    }
  }

  /// Copies of one image under other names, with captions of their own.
  @Test(arguments: [Filters.Duplicates.merge, .near, .keep]) func oneDistinctImageIsTooFew(duplicates: Filters.Duplicates) throws {
    let shop = try Workshop()
    for number in 0..<4 {
      try shop.write("a/\(number).png", try shop.image(1))
      try shop.write("a/\(number).txt", "picture \(number)")
    }
    var filters = Filters()
    filters.duplicates = duplicates
    #expect { try shop.collect([DatasetSource("a")], filters: filters) } throws: {
      "\($0)".contains("\(shop.path)/a: 1 distinct image of 4 files (at least 2")
    }
    try shop.write("a/other.png", try shop.image(2))
    try shop.write("a/other.txt", "another")
    #expect(try shop.collect([DatasetSource("a")], filters: filters).summary.training >= 1)
  }

  /// Images that were scaled and compressed again are near duplicates; different images are not.
  @Test func nearDuplicatesOfPhotographs() throws {
    let shop = try Workshop()
    // Blurred patches of color, which scale and compress as photographs do.
    var state: UInt64 = 1
    func photograph() -> Image {
      let patches = (0..<6 * 6 * 3).map { _ -> UInt8 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(state >> 56)
      }
      return Image(width: 6, height: 6, pixels: patches).resized(width: 160, height: 120)
    }
    for number in 0..<30 {
      let image = photograph()
      try shop.write("a/\(number).png", image.png())
      try shop.write("a/\(number).txt", "a\(number)")
      let copy = number % 2 == 0 ? try image.jpeg(quality: 40) : try image.resized(width: 80, height: 60).jpeg(quality: 75)
      try shop.write("b/\(number).jpg", copy)
      try shop.write("b/\(number).txt", "b\(number)")
    }
    var filters = Filters()
    filters.duplicates = .near
    let dataset = try shop.collect([DatasetSource("a"), DatasetSource("b")], filters: filters)
    #expect(try shop.captions(dataset) == (0..<30).map { "a\($0)" }.sorted())
    #expect(dataset.summary.skipped == [SkipReason.nearDuplicate.rawValue: 30])
    for skip in try shop.skips() {
      let number = ((skip.location as NSString).lastPathComponent as NSString).deletingPathExtension
      #expect(skip.detail == "looks like \(shop.path)/a/\(number).png")
    }
  }

  @Test func duplicatesAndRepeats() throws {
    let shop = try Workshop()
    for number in 0..<12 {
      try shop.write("a/\(number).png", shop.image(number))
      try shop.write("a/\(number).txt", "a\(number)")
      try shop.write("b/\(number).png", shop.image(number < 4 ? number : 100 + number))
      try shop.write("b/\(number).txt", number == 0 ? "a0" : "b\(number)")
    }
    let merged = try shop.collect([DatasetSource("a"), DatasetSource("b")], into: "merged")
    #expect(merged.summary.training + merged.summary.validation == 20 && merged.summary.merged == 4)
    #expect(Set(try shop.samples(merged).map(\.captions)).isSuperset(of: [["a0"], ["a1", "b1"], ["a2", "b2"], ["b11"]]))

    // The same image with one byte changed: a near duplicate, not an exact one.
    var blurred = try Image(data: shop.image(5))
    blurred.pixels[0] ^= 1
    try shop.write("b/5.png", blurred.png())
    var filters = Filters()
    filters.duplicates = .near
    let near = try shop.collect([DatasetSource("a"), DatasetSource("b")], into: "near", filters: filters)
    #expect(near.summary.skipped[SkipReason.nearDuplicate.rawValue] ?? 0 >= 1)
    #expect(try shop.skips("near").contains { $0.location.hasSuffix("b/5.png") && $0.detail.hasSuffix("a/5.png") })

    filters.duplicates = .keep
    let repeated = try shop.collect(
      [DatasetSource("a", repeat: 2.5), DatasetSource("b")], into: "repeated", filters: filters, validation: 2)
    let training = try (0..<repeated.count(.training)).map { try repeated.sample($0, .training) }
    let counts = Dictionary(grouping: training, by: \.location).filter { $0.key.contains("/a/") }.mapValues(\.count)
    #expect(Set(counts.values).isSubset(of: [2, 3]))
    // No image is in both splits.
    let validation = Set(try (0..<repeated.count(.validation)).map { try repeated.sample($0, .validation).contentHash })
    #expect(!validation.isEmpty && validation.isDisjoint(with: training.map(\.contentHash)))
  }

  @Test func resumesWhereItStopped() throws {
    let shop = try Workshop()
    for number in 0..<600 {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", "picture \(number)")
    }
    let whole = try shop.collect([DatasetSource("f")], into: "whole", validation: 20)
    let options = DatasetOptions(sources: [DatasetSource(shop.path + "/f")], validation: 20)
    let folder = DatasetFolder(shop.path + "/again")
    let first = try Collector(folder, options: options)
    try first.scan()
    #expect(first.workItemCount() == 3)
    try first.validate(2)
    let second = try Collector(folder, options: options)
    try second.scan()
    for workItem in [1, 0] where !second.isValidated(workItem) { try second.validate(workItem) }
    _ = try second.merge(shardCaptions: 64)
    for name in ["train.jsonl", "train.index", "validation.jsonl", "validation.index", "skipped.jsonl", "dataset.json"] {
      #expect(
        FileManager.default.contentsEqual(atPath: "\(shop.path)/whole/\(name)", andPath: "\(shop.path)/again/\(name)"), "\(name)")
    }
    #expect(whole.summary.training == 580)
    // More images move few samples of the validation split.
    let validation = Set(try (0..<20).map { try whole.location($0, .validation) })
    for number in 600..<640 {
      try shop.write("f/\(number).png", shop.image(number))
      try shop.write("f/\(number).txt", "picture \(number)")
    }
    let more = try shop.collect([DatasetSource("f")], into: "more", validation: 20)
    #expect(validation.intersection(try (0..<20).map { try more.location($0, .validation) }).count >= 15)
    // Different options are refused, and so is an image that has changed.
    #expect(throws: DalleError.self) { try Collector(folder, options: DatasetOptions(sources: options.sources, validation: 21)) }
    let path = try more.sample(0, .training).image.path
    try Data("other".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: DalleError.self) { try more.image(0, .training) }
  }
}
