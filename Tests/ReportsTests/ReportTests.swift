import Datasets
import Foundation
import Images
import Layers
import Models
import TestSupport
import Testing
import Tokenizer

@testable import Reports

@Suite struct ReportTests {
  private func report(_ dataset: Dataset, _ shop: Workshop, tokenizer: Tokenizer? = nil, seed: UInt64 = 1) throws -> DatasetReport {
    try DatasetSurvey(dataset, in: DatasetFolder(shop.path + "/out"), tokenizer: tokenizer, seed: seed).report { _, _ in }
  }

  private func page(_ dataset: Dataset, _ shop: Workshop, seed: UInt64 = 1, samples: Int = 50) throws -> String {
    let cards = try SampleCard.random(samples, of: dataset, seed: seed, dvae: nil, weights: nil) { _, _ in }
    return try ReportPage(report(dataset, shop, seed: seed), cards: cards).html
  }

  /// 40 good samples in two sources, one of them with a weight, and some that filters leave out.
  private func collection(_ shop: Workshop) throws -> Dataset {
    for number in 0..<40 {
      let folder = number < 25 ? "a" : "b"
      try shop.write("\(folder)/\(number).png", shop.image(number, width: 24 + number, height: 30))
      try shop.write("\(folder)/\(number).txt", "a photo of \(number)" + (number % 5 == 0 ? "\nanother line for it" : ""))
    }
    for (name, caption) in [("short", "x"), ("file", "IMG_2034.jpg"), ("good and bad", "x\na good caption")] {
      try shop.write("a/\(name).png", shop.image(100 + name.count))
      try shop.write("a/\(name).txt", caption)
    }
    for number in 0..<7 {
      try shop.write("b/empty \(number).png", Data())
      try shop.write("b/empty \(number).txt", "an empty image")
    }
    try shop.write("b/again.png", shop.image(3, width: 27, height: 30))
    try shop.write("b/again.txt", "the same as before")
    var filters = Filters()
    filters.minimumCharacters = 5
    filters.boilerplate = true
    return try shop.collect([DatasetSource("a"), DatasetSource("b", repeat: 2)], filters: filters, validation: 6)
  }

  @Test func numbersAreThoseOfTheDataset() throws {
    let shop = try Workshop()
    let dataset = try collection(shop)
    let tokenizer = Tokenizer(merges: [], split: .published)
    let report = try report(dataset, shop, tokenizer: tokenizer)
    #expect(report.summary == dataset.summary)

    // Everything again from the samples, without the report's code.
    let training = Dictionary(
      grouping: try (0..<dataset.count(.training)).map { try dataset.sample($0, .training) }, by: \.location)
    let validation = try (0..<dataset.count(.validation)).map { try dataset.sample($0, .validation) }
    let distinct = training.values.map { $0[0] }
    let all = distinct + validation
    #expect(all.count == 41 && validation.count == 6)
    for (number, source) in report.sources.enumerated() {
      #expect(source.samples == distinct.count { $0.source == number })
      #expect(source.perEpoch == source.samples * (number == 0 ? 1 : 2))
      #expect(source.validation == validation.count { $0.source == number })
      #expect(source.captions == all.filter { $0.source == number }.reduce(0) { $0 + $1.captions.count })
    }
    #expect(report.distinct == 35 && report.summary.training == report.sources.reduce(0) { $0 + $1.perEpoch })
    let captions = all.flatMap(\.captions)
    #expect(report.captions == captions.count && captions.count == 41 + 8 + 1)
    #expect(report.captionCharacters?.count == captions.count)
    #expect(report.captionCharacters?.maximum == Double(captions.map(\.count).max()!))
    // Without merges a token is a byte.
    #expect(report.captionTokens == report.captionCharacters)
    #expect(report.captionsPerImage?.count == 41 && report.captionsPerImage?.maximum == 2)
    #expect(report.shorterSide?.maximum == 30 && report.shorterSide?.minimum == 24)
    #expect(report.narrow == 41)
    #expect(ReportPage(report, cards: []).html.contains("<b>41 images</b> with a shorter side below 32 pixels"))
    #expect(report.words.top.first?.word == "a" && report.words.top.first?.count == captions.count { $0.hasPrefix("a ") })
    #expect(report.words.error == 0)

    #expect(report.skipped.map(\.reason) == [.unreadableImage, .captionLength, .boilerplate])
    #expect(report.skipped.map(\.samples) == [7, 1, 1] && report.skipped.map(\.parts) == [0, 1, 0])
    #expect(report.skipped.map(\.examples.count) == [3, 2, 1])
    #expect(Dictionary(uniqueKeysWithValues: report.skipped.map { ($0.reason.rawValue, $0.samples) }) == dataset.summary.skipped)
    #expect(dataset.summary.skippedParts == [SkipReason.captionLength.rawValue: 1])
    #expect(report.summary.merged == 1)
    // What is written as JSON is all of it.
    #expect(try JSONDecoder().decode(DatasetReport.self, from: JSONEncoder().encode(report)) == report)
  }

  @Test func theSeedChooses() throws {
    let shop = try Workshop()
    let dataset = try collection(shop)
    #expect(try page(dataset, shop, seed: 1, samples: 10) == page(dataset, shop, seed: 1, samples: 10))
    func chosen(_ seed: UInt64) throws -> [String] {
      try SampleCard.random(10, of: dataset, seed: seed, dvae: nil, weights: nil) { _, _ in }.map(\.sample.location)
    }
    #expect(try Set(chosen(1)).count == 10 && chosen(1) != chosen(2))
    #expect(try report(dataset, shop, seed: 1).skipped[0].examples != report(dataset, shop, seed: 2).skipped[0].examples)
    // More than there are: each of the different ones once.
    #expect(try SampleCard.random(500, of: dataset, seed: 1, dvae: nil, weights: nil) { _, _ in }.count == 35)
  }

  @Test func captionsAreHarmless() throws {
    let shop = try Workshop()
    // Tags and entities that the collection removes and decodes, and others.
    let cleaned = [
      "</title></style></svg><img src=x onerror=alert(1)>": "</title></style></svg>", "\"><b>'&amp;&lt;&#60;": "\">'&<<",
      "]]> <!-- <![CDATA[ -->": "]]>",
    ]
    let hostile = [
      "<script>alert(1)</script>", "</title></style></svg><img src=x onerror=alert(1)>", "\"><b>'&amp;&lt;&#60;",
      "]]> <!-- <![CDATA[ -->", "<svg/onload=alert(1)><i/onclick=alert(1)>&lt;script&gt;alert(1)", "]]><![CDATA[",
      "קטן \"שולחן\" (123)", "\u{202E}esrever \u{2066}isolate", "👩‍👩‍👧‍👦 🏳️‍🌈", "e\u{301}\u{301}\u{301} \u{FFFE}x \u{9F}y",
    ]
    let long = String(repeating: "word ", count: 1900) + "end"
    let zalgo = "z" + String(repeating: "\u{336}", count: 9000)
    for (number, caption) in (hostile + [long, zalgo]).enumerated() {
      // Twice, so that one of them is not in the validation split.
      for copy in 0..<2 {
        let name = "f/<i>\"&amp;\(copy)\(number)"
        try shop.write(name + ".png", shop.image(10 * number + copy))
        try shop.write(name + ".txt", caption)
      }
    }
    try shop.write("f/<u>bad.png", Data())
    try shop.write("f/<u>bad.txt", "<u>")
    let dataset = try shop.collect([DatasetSource("f")])
    let html = try page(dataset, shop)
    let document = try HTMLDocument(html)
    #expect(document.elements.isDisjoint(with: ["script", "i", "u"]))
    for caption in hostile {
      let shown = cleaned[caption] ?? caption.replacing("&lt;script&gt;", with: "<script>")
      let expected = shown.replacing("\u{FFFE}", with: "\u{FFFD}").replacing("\u{9F}", with: "")
      #expect(document.captions.contains(expected), "\(caption)")
    }
    #expect(document.captions.contains { $0.hasPrefix("word word") && $0.hasSuffix(" … ") && $0.count < 300 })
    #expect(html.utf8.count < 400_000)
    // Nothing is loaded from elsewhere, and nothing runs.
    for (name, value) in document.attributes {
      #expect(!name.lowercased().hasPrefix("on"))
      if name == "src" { #expect(value.hasPrefix("data:image/")) }
      if name == "href" { #expect(value.hasPrefix("#")) }
    }
    #expect(document.attributes.contains { $0.value.contains("default-src 'none'") })
  }

  @Test func imagesThatAreGone() throws {
    let shop = try Workshop()
    let dataset = try collection(shop)
    let missing = try dataset.sample(0, .training).image.path
    try FileManager.default.removeItem(atPath: missing)
    let other = try dataset.sample(dataset.count(.training) - 1, .training).image.path
    try Data("changed".utf8).write(to: URL(fileURLWithPath: other))
    let cards = try SampleCard.random(50, of: dataset, seed: 1, dvae: nil, weights: nil) { _, _ in }
    #expect(cards.count { $0.problem != nil } == 2 && cards.count { $0.images.count == 1 } == 33)
    let html = try ReportPage(report(dataset, shop), cards: cards).html
    #expect(html.contains("no image: ") && html.contains("has changed since the dataset was collected"))
  }

  @Test func reconstructionsAndCodes() throws {
    let shop = try Workshop()
    let dataset = try collection(shop)
    var config = DVAEConfig()
    (config.imageSize, config.groups, config.blocksPerGroup, config.baseChannels, config.codebookDim, config.vocabulary) = (
      16, 2, 1, 8, 8, 32
    )
    let dvae = try DVAE(config, batch: 8, mode: .inference)
    let weights = LocalParameters(dvae.table, gradients: false)
    for block in dvae.table.blockIDs { dvae.table.initialize(block, into: weights.weights(of: block), seed: 1) }
    let cards = try SampleCard.random(5, of: dataset, seed: 1, dvae: dvae, weights: weights) { _, _ in }
    #expect(cards.count == 5)
    for card in cards {
      let images = try card.images.map { inlay in
        try Image(data: #require(Data(base64Encoded: String(inlay.address.drop { $0 != "," }.dropFirst()))))
      }
      let crop = try Image(contentsOf: card.sample.image.path).centerCrop(16)
      #expect(try images == [crop, dvae.decode(dvae.encode([crop], weights), weights)[0]])
    }
    var report = try report(dataset, shop)
    report.codebook = try CodeStatistics(dataset, seed: 1, dvae: dvae, weights: weights) { _, _ in }
    let codes = try #require(report.codebook)
    #expect(codes.images == 35 && codes.tokens == 35 * 64 && codes.vocabulary == 32 && codes.shards == nil)
    let html = ReportPage(report, cards: cards).html
    #expect(html.contains("perplexity") && html.contains("the dVAE's reconstruction".replacing("'", with: "&#39;")))
    _ = try HTMLDocument(html)
  }

  @Test func largeImagesAreShrunk() throws {
    let shop = try Workshop()
    for number in 0..<3 {
      try shop.write("f/\(number).png", shop.image(number, width: 2000, height: 1000 + number))
      try shop.write("f/\(number).txt", "wide \(number)")
    }
    let dataset = try shop.collect([DatasetSource("f")])
    for card in try SampleCard.random(3, of: dataset, seed: 1, dvae: nil, weights: nil, progress: { _, _ in }) {
      #expect(card.images[0].width == 256 && card.images[0].height == 128)
      #expect(card.images[0].address.hasPrefix("data:image/jpeg;base64,"))
    }
  }
}
