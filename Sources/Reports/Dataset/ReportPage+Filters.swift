import Datasets

extension ReportPage {
  /// Each filter with its setting; then the other reasons for which samples were skipped.
  var filters: HTML? {
    let filters = report.summary.options.filters
    func any(_ isAny: Bool, _ text: String) -> String? { isAny ? nil : text }
    let length = "\(NumberText.grouped(filters.minimumCharacters)) to \(NumberText.amount(filters.maximumCharacters, "character"))"
    let size = "at most \(NumberText.grouped(filters.maximumPixels)) pixels, \(NumberText.grouped(filters.maximumBytes)) bytes"
    let settings: [(reason: SkipReason, name: String, setting: String?)] = [
      (.captionLength, "caption length", length),
      (.letterShare, "letters", any(filters.letterShare == 0, "at least \(NumberText.percent(filters.letterShare)) of a caption")),
      (.script, "script", filters.script.map { "\($0.rawValue), at least 80 % of the letters" }),
      (.boilerplate, "boilerplate", boilerplate(filters)),
      (.aspectRatio, "aspect ratio", any(filters.aspectRatio == 0, "at most \(NumberText.short(filters.aspectRatio)) : 1")),
      (
        .smallImage, "smallest side", any(filters.minimumSide <= 1, "at least \(NumberText.amount(filters.minimumSide, "pixel"))")
      ),
      (.largeImage, "largest size", size),
      (.nearDuplicate, "near duplicates", any(filters.duplicates != .near, "of images that look the same the first is kept")),
    ]
    let skipped = Dictionary(uniqueKeysWithValues: report.skipped.map { ($0.reason, $0) })
    var rows = settings.map { row($0.name, $0.setting, skipped[$0.reason]?.samples ?? 0, skipped[$0.reason]?.parts ?? 0) }
    let merges = any(filters.duplicates == .keep, "of images with the same bytes the first gets all captions")
    rows.append(row("exact duplicates", merges, report.summary.merged, 0))
    let others = report.skipped.filter { entry in !settings.contains { $0.reason == entry.reason } }
    rows += others.map { row($0.reason.rawValue, "cannot be used", $0.samples, $0.parts) }

    let examples = report.skipped.map { entry -> HTML in
      let items = entry.examples.map { skip -> HTML in
        "<li><p dir=\"auto\">\(skip.detail)</p><p class=\"place\">\(bdi(skip.location))</p></li>\n"
      }
      return """
        <div><h3>\(entry.reason.rawValue) <span class="count">\(NumberText.grouped(entry.count))</span></h3>
        <ul>
        \(items)</ul></div>

        """
    }
    let more: HTML = """
      <div class="examples">
      \(examples)</div>
      <p class="note">All of them are listed in \(bdi(DatasetFolder(report.dataset).skipped)). A caption is counted where its sample remains with \
      other captions.</p>

      """
    return """
      <div class="scroll"><table class="filters">
      <thead><tr><th>filter</th><th>setting</th><th>samples</th><th>captions</th></tr></thead>
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

  private func row(_ name: String, _ setting: String?, _ samples: Int, _ captions: Int) -> HTML {
    func cell(_ count: Int) -> HTML { "<td class=\"\(count == 0 ? "zero" : "some")\">\(NumberText.grouped(count))</td>" }
    return """
      <tr class="\(setting == nil ? "off" : "on")"><td>\(name)</td><td class="long">\(setting ?? "off")</td>\
      \(cell(samples))\(cell(captions))</tr>

      """
  }
}
