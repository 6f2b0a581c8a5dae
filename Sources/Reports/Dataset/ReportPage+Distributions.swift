extension ReportPage {
  var captions: HTML? {
    guard let characters = report.captionCharacters, let perImage = report.captionsPerImage else { return nil }
    let tokens = report.captionTokens.map { figure("Tokens of a caption", $0, "tokens", of: "captions") }
    return """
      <div class="charts">
      \(figure("Characters of a caption", characters, "characters", of: "captions"))\
      \(tokens)\
      \(figure("Captions of an image", perImage, "captions", of: "images"))</div>
      \(captionTable)
      """
  }

  /// How varied the captions are, and which repeat most.
  private var captionTable: HTML? {
    let statistics = report.captionStatistics
    let about = statistics.differentIsExact ? "" : "about "
    let scripts = statistics.scripts.map { "\($0.text) \(NumberText.percent($0.count, of: statistics.total))" }
    let markup: HTML? =
      statistics.withMarkup == 0
      ? nil
      : """
      <div><dt>with markup</dt><dd><b>\(NumberText.grouped(statistics.withMarkup))</b> have something like `&amp;name;` or \
      `&lt;name&gt;` in them</dd></div>

      """
    let items = statistics.top.map { item -> HTML in
      let text = item.text.count > 160 ? item.text.prefix(160) + "…" : item.text
      return """
        <tr><td class="long" dir="auto">\(text)</td><td>\(NumberText.grouped(item.count))</td>\
        <td>\(NumberText.percent(item.count, of: statistics.total))</td></tr>

        """
    }
    let frequent: HTML? =
      items.isEmpty
      ? nil
      : """
      <div class="scroll"><table>
      <thead><tr><th>most frequent captions</th><th>times</th><th>share</th></tr></thead>
      <tbody>
      \(items)</tbody>
      </table></div>

      """
    return """
      <dl class="facts-list">
      <div><dt>different captions</dt><dd>\(about)<b>\(NumberText.grouped(statistics.different))</b> of \
      \(NumberText.grouped(statistics.total)) (\(NumberText.percent(statistics.different, of: statistics.total)))</dd></div>
      <div><dt>scripts</dt><dd>\(scripts.joined(separator: ", "))</dd></div>
      \(markup)</dl>
      \(frequent)
      """
  }

  var images: HTML? {
    guard let side = report.shorterSide, let ratio = report.widthByHeight else { return nil }
    let limit = String(DatasetReport.narrowLimit)
    let note: HTML? =
      report.narrow == 0
      ? nil
      : """
      <p class="note"><b>\(NumberText.amount(report.narrow, "image"))</b> with a shorter side below \(limit) pixels: separators, \
      tracking pixels, icons? `dalle-prep collect --min-side \(limit)` skips them.</p>

      """
    return """
      <div class="charts">
      \(figure("Shorter side of an image, in pixels", side, "pixels", of: "images"))\
      \(figure("Width by height", ratio, "", of: "images"))</div>
      \(note)
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

  var words: HTML? {
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
      Among \(NumberText.grouped(words.total)) words. Rare words were dropped while counting, to bound the memory: counts may be \
      too low by up to \(NumberText.grouped(words.error)).
      """
    return "<ol class=\"words\">\n\(items)</ol>\n<p class=\"note\">\(exactness) Words are counted in lower case.</p>\n"
  }

  var codebook: HTML? {
    guard let use = report.codebook else { return nil }
    let origin: HTML =
      if let folder = use.shards {
        "of all \(NumberText.amount(use.images, "sample")) in the training shards of \(bdi(folder))"
      } else {
        "of the center crops of \(NumberText.amount(use.images, "image")), chosen at random"
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
      codebook means that it has collapsed, or that it is larger than these images need.</p></div></div>

      """
  }
}
