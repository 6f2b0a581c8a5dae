import Datasets
import Foundation
import Images

/// A report as one page of HTML that needs no other file, no script and no network.
public struct ReportPage {
  private let report: DatasetReport
  private let cards: [SampleCard]
  private let hasReconstructions: Bool

  /// Characters of a caption that are shown at once, and when it is unfolded.
  private static let captionStart = 220
  private static let captionLimit = 4000
  private static let captionsShown = 3

  public init(_ report: DatasetReport, cards: [SampleCard]) {
    (self.report, self.cards) = (report, cards)
    hasReconstructions = cards.contains { $0.pictures.count > 1 }
  }

  public var html: String {
    let sections = [
      ("samples", "Samples", samples), ("sources", "Sources", sources), ("filters", "Left out", filters),
      ("captions", "Captions", captions), ("words", "Words", words), ("pictures", "Pictures", pictures),
      ("codebook", "Codebook", codebook),
    ].compactMap { name, title, body in body.map { (name: name, title: title, body: $0) } }
    let links = sections.map { section -> HTML in "<a href=\"#\(section.name)\">\(section.title)</a>\n" }
    let bodies = sections.map { section -> HTML in
      "<section id=\"\(section.name)\">\n<h2>\(section.title)</h2>\n\(section.body)</section>\n"
    }
    let name = (report.dataset as NSString).lastPathComponent
    // Allows the page nothing but its own pictures and style, whatever else might get into it.
    let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta http-equiv="Content-Security-Policy" content="\(policy)"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta name="color-scheme" content="light dark"/>
      <title>\(name): dataset report</title>
      <style>\(ReportStyle.css)</style>
      </head>
      <body>
      <header>
      <h1>\(bdi(name))</h1>
      <p class="place">\(bdi(report.dataset))</p>
      \(tiles)<nav>
      \(links)</nav>
      </header>
      <main>
      \(bodies)</main>
      <footer>
      <p>Made by dalle-prep report. Samples and examples were chosen with seed \(String(report.seed)). The numbers are in the \
      .json file beside this page.</p>
      </footer>
      </body>
      </html>

      """
    return page.markup
  }

  // MARK: Overview

  private var tiles: HTML {
    let summary = report.summary
    let tiles: [HTML] = [
      tile(summary.training, "to train on", summary.repeated == 0 ? "each once an epoch" : "an epoch; \(NumberText.grouped(report.distinct)) different"),
      tile(summary.validation, "held out", "by the pictures' hashes"),
      tile(report.captions, "captions", report.captionCharacters.map { "of \(NumberText.short($0.mean)) characters on average" } ?? ""),
      tile(summary.merged, "merged", "as a picture's duplicates"),
      tile(summary.skipped.values.reduce(0, +), "left out", summary.skipped.isEmpty ? "nothing" : "for \(NumberText.amount(summary.skipped.count, "reason"))"),
    ]
    return "<dl class=\"tiles\">\n\(tiles)</dl>\n"
  }

  private func tile(_ number: Int, _ name: String, _ note: String) -> HTML {
    "<div><dt>\(name)</dt><dd><b>\(NumberText.grouped(number))</b><span>\(note)</span></dd></div>\n"
  }

  private var sources: HTML? {
    let total = report.summary.training
    let rows = report.sources.map { source -> HTML in
      """
      <tr><td class="long">\(bdi(source.path))</td><td>\(NumberText.short(source.weight))</td>\
      <td>\(NumberText.grouped(source.samples))</td><td>\(NumberText.grouped(source.perEpoch))</td>\
      <td>\(NumberText.percent(source.perEpoch, of: total))</td><td>\(NumberText.grouped(source.heldOut))</td>\
      <td>\(NumberText.grouped(source.captions))</td></tr>

      """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th>source</th><th>weight</th><th>samples</th><th>an epoch</th><th>share</th><th>held out</th><th>captions</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>
      <p class="note">An epoch sees a sample as often as its source's weight says. A sample that several sources have belongs to the \
      first of them.</p>

      """
  }

  // MARK: Filters

  /// Each filter with its setting; then what else samples were left out for.
  private var filters: HTML? {
    let filters = report.summary.options.filters
    func any(_ isAny: Bool, _ text: String) -> String? { isAny ? nil : text }
    let settings: [(reason: SkipReason, name: String, setting: String?)] = [
      (.captionLength, "caption length", "\(NumberText.grouped(filters.minimumCharacters)) to \(NumberText.amount(filters.maximumCharacters, "character"))"),
      (.letterShare, "letters", any(filters.letterShare == 0, "at least \(NumberText.percent(filters.letterShare)) of a caption")),
      (.script, "script", filters.script.map { "\($0.rawValue), at least 80 % of the letters" }),
      (.boilerplate, "boilerplate", boilerplate(filters)),
      (.aspectRatio, "aspect ratio", any(filters.aspectRatio == 0, "at most \(NumberText.short(filters.aspectRatio)) : 1")),
      (.smallPicture, "smallest side", any(filters.minimumSide <= 1, "at least \(NumberText.amount(filters.minimumSide, "pixel"))")),
      (.largePicture, "largest size", "at most \(NumberText.grouped(filters.maximumPixels)) pixels, \(NumberText.grouped(filters.maximumBytes)) bytes"),
      (.nearDuplicate, "near duplicates", any(filters.duplicates != .near, "of pictures that look the same the first stays")),
    ]
    let counts = Dictionary(uniqueKeysWithValues: report.omissions.map { ($0.reason, $0.count) })
    var rows = settings.map { row($0.name, $0.setting, counts[$0.reason] ?? 0) }
    let merges = any(filters.duplicates == .keep, "of pictures with the same bytes the first gets all captions")
    rows.append(row("exact duplicates", merges, report.summary.merged))
    let others = report.omissions.filter { omission in !settings.contains { $0.reason == omission.reason } }
    rows += others.map { row($0.reason.rawValue, "cannot be used", $0.count) }

    let examples = report.omissions.map { omission -> HTML in
      let items = omission.examples.map { skip -> HTML in
        "<li><p dir=\"auto\">\(skip.detail)</p><p class=\"place\">\(bdi(skip.place))</p></li>\n"
      }
      return """
        <div><h3>\(omission.reason.rawValue) <span class="count">\(NumberText.grouped(omission.count))</span></h3>
        <ul>
        \(items)</ul></div>

        """
    }
    let more: HTML = """
      <div class="examples">
      \(examples)</div>
      <p class="note">All of them are listed in \(bdi(DatasetFolder(report.dataset).skipped)). Of a picture with several captions single \
      captions may be left out; they count here, too.</p>

      """
    return """
      <div class="scroll"><table class="filters">
      <thead><tr><th>filter</th><th>setting</th><th>left out</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>
      \(examples.isEmpty ? nil : more)
      """
  }

  private func boilerplate(_ filters: Filters) -> String? {
    let parts = [
      filters.boilerplate ? "phrases about files and cameras make up half of a caption" : nil,
      filters.patterns.isEmpty ? nil : "a pattern matches: \(filters.patterns.joined(separator: "  or  "))",
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private func row(_ name: String, _ setting: String?, _ count: Int) -> HTML {
    let kind = setting == nil ? "off" : count == 0 ? "none" : ""
    return "<tr class=\"\(kind)\"><td>\(name)</td><td class=\"long\">\(setting ?? "off")</td><td>\(NumberText.grouped(count))</td></tr>\n"
  }

  // MARK: Distributions

  private var captions: HTML? {
    guard let characters = report.captionCharacters, let perPicture = report.captionsPerPicture else { return nil }
    let tokens = report.captionTokens.map { figure("Tokens of a caption", $0, "tokens", of: "captions") }
    return """
      <div class="charts">
      \(figure("Characters of a caption", characters, "characters", of: "captions"))\
      \(tokens)\
      \(figure("Captions of a picture", perPicture, "captions", of: "pictures"))</div>

      """
  }

  private var pictures: HTML? {
    guard let side = report.shorterSide, let ratio = report.widthByHeight else { return nil }
    return """
      <div class="charts">
      \(figure("Shorter side of a picture, in pixels", side, "pixels", of: "pictures"))\
      \(figure("Width by height", ratio, "", of: "pictures"))</div>

      """
  }

  private func figure(_ title: String, _ histogram: Histogram, _ unit: String, of what: String) -> HTML {
    func text(_ value: Double) -> String { histogram.scale == .ratio ? NumberText.ratio(value) : NumberText.short(value) }
    if histogram.minimum == histogram.maximum {
      return """
        <figure><figcaption>\(title)</figcaption>
        <p class="same"><b>\(text(histogram.minimum))</b><span>all \(NumberText.grouped(histogram.count)) \(what)</span></p></figure>

        """
    }
    var numbers = [("least", histogram.minimum), ("median", histogram.median)]
    if histogram.scale != .ratio { numbers.append(("mean", histogram.mean)) }
    numbers += [("99 % ≤", histogram.ninetyNinth), ("most", histogram.maximum)]
    let facts = numbers.map { (name, value) -> HTML in "<span>\(name) <b>\(text(value))</b></span>\n" }
    let chart = Chart.bars(histogram, name: "\(title): how many \(what)", unit: unit)
    return """
      <figure><figcaption>\(title)</figcaption>
      \(chart)<p class="facts">\(facts)</p></figure>

      """
  }

  private var words: HTML? {
    let words = report.words
    guard let most = words.top.first?.count else { return nil }
    let items = words.top.map { item -> HTML in
      """
      <li style="--share:\(100 * Double(item.count) / Double(most))%"><span class="word">\(bdi(item.word))</span>\
      <span class="count">\(NumberText.grouped(item.count))</span></li>

      """
    }
    let exactness =
      words.error == 0
      ? "\(NumberText.amount(words.different, "different word")) among \(NumberText.grouped(words.total)) in all."
      : """
      Among \(NumberText.grouped(words.total)) words. Rare words were dropped while counting, to bound the memory: counts may be too low by up \
      to \(NumberText.grouped(words.error)).
      """
    return "<ol class=\"words\">\n\(items)</ol>\n<p class=\"note\">\(exactness) Words are counted in lower case.</p>\n"
  }

  private var codebook: HTML? {
    guard let use = report.codebook else { return nil }
    let origin: HTML =
      if let folder = use.shards {
        "of all \(NumberText.amount(use.pictures, "sample")) in the training shards of \(bdi(folder))"
      } else {
        "of the middles of \(NumberText.amount(use.pictures, "picture")), chosen at random"
      }
    return """
      <div class="charts">
      <figure><figcaption>Use of each code, the most frequent first</figcaption>
      \(Chart.curve(use, name: "Use of each code by its rank, 1 if all were used equally"))</figure>
      <div><dl class="facts-list">
      <div><dt>codes used</dt><dd><b>\(NumberText.grouped(use.used))</b> of \(NumberText.grouped(use.vocabulary)) \
      (\(NumberText.percent(use.used, of: use.vocabulary)))</dd></div>
      <div><dt>perplexity</dt><dd><b>\(NumberText.short(use.perplexity))</b> \
      (\(NumberText.percent(use.perplexity / Double(use.vocabulary))) of the codebook)</dd></div>
      <div><dt>counted</dt><dd><b>\(NumberText.grouped(use.tokens))</b> codes \(origin)</dd></div>
      </dl>
      <p class="note">As many codes as the perplexity, used equally often, would carry as much information. A small share of the \
      codebook means that it has collapsed, or that it is larger than these pictures need.</p></div></div>

      """
  }

  // MARK: Samples

  private var samples: HTML? {
    if cards.isEmpty { return nil }
    let note =
      hasReconstructions
      ? "Random training samples: the middle of each picture, and beside it what the dVAE makes of it."
      : "Random training samples."
    return """
      <p class="note">\(note)</p>
      <div class="\(hasReconstructions ? "cards pairs" : "cards")">
      \(cards.map(card))</div>

      """
  }

  private func card(_ card: SampleCard) -> HTML {
    let pictures = card.pictures.map { picture -> HTML in
      // Enlarged pixels stay sharp.
      let kind = max(picture.width, picture.height) < 128 ? "pixels" : ""
      return """
        <img class="\(kind)" src="\(picture.address)" width="\(picture.width)" height="\(picture.height)" alt="\(picture.name)"/>
        """
    }
    let problem = card.problem.map { reason -> HTML in "<p class=\"problem\">no picture: \(reason)</p>" }
    let name = (card.sample.place as NSString).lastPathComponent
    let captions = card.sample.captions
    let hidden: HTML = """
      <details><summary>\(NumberText.amount(captions.count - Self.captionsShown, "more caption"))</summary>
      \(captions.dropFirst(Self.captionsShown).prefix(100).map(caption))</details>

      """
    return """
      <article>
      <div class="look">\(problem)\(pictures)</div>
      \(captions.prefix(Self.captionsShown).map(caption))\(captions.count > Self.captionsShown ? hidden : nil)\
      <p class="place">\(card.sample.width) × \(card.sample.height) · <bdi title="\(card.sample.place)">\(name)</bdi></p>
      </article>

      """
  }

  /// A caption, folded if it is long.
  private func caption(_ text: String) -> HTML {
    let begin = start(of: text, Self.captionStart)
    if begin == text { return "<p class=\"caption\" dir=\"auto\">\(text)</p>\n" }
    let whole = start(of: text, Self.captionLimit)
    let rest = whole == text ? nil : " … (the first \(NumberText.grouped(Self.captionLimit)) are shown)"
    return """
      <details class="caption"><summary><span class="start" dir="auto">\(begin) … </span><span class="unfold">all \
      \(NumberText.amount(text.count, "character"))</span></summary>
      <p dir="auto">\(whole)\(rest ?? "")</p></details>

      """
  }

  /// The beginning of a text. A character may be made of any number of signs, so those are limited, too.
  private func start(of text: String, _ limit: Int) -> String {
    String(text.prefix(limit).unicodeScalars.prefix(4 * limit))
  }

  /// Text whose direction of writing does not disturb what is around it.
  private func bdi(_ text: String) -> HTML { "<bdi>\(text)</bdi>" }
}
