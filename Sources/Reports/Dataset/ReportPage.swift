import Foundation

/// A report as one page of HTML that needs no other file, no script and no network.
package struct ReportPage {
  let report: DatasetReport
  let cards: [SampleCard]

  package init(_ report: DatasetReport, cards: [SampleCard]) {
    (self.report, self.cards) = (report, cards)
  }

  package var html: String {
    let sections = [
      ("samples", "Samples", samples), ("sources", "Sources", sources), ("filters", "Skipped", filters),
      ("captions", "Captions", captions), ("words", "Words", words), ("images", "Images", images),
      ("codebook", "Codebook", codebook),
    ].compactMap { id, title, body in body.map { Document.Section(id: id, title: title, body: $0) } }
    let name = (report.dataset as NSString).lastPathComponent
    return Document(
      title: "\(name): dataset report", style: ReportStyle.css,
      header: """
        <h1>\(bdi(name))</h1>
        <p class="place">\(bdi(report.dataset))</p>
        \(tiles)
        """,
      sections: sections,
      footer: """
        <p>Made by dalle-prep report. Samples and examples were chosen with seed \(String(report.seed)). The numbers are in the \
        .json file beside this page.</p>

        """
    ).html
  }

  // MARK: Overview

  private var tiles: HTML {
    let summary = report.summary
    let skipped = summary.skipped.values.reduce(0, +)
    let parts = summary.skippedParts.values.reduce(0, +)
    let others = parts == 0 ? "samples" : "samples, and \(NumberText.amount(parts, "caption")) of others"
    let different = summary.repeated == 0 ? "each once per epoch" : "per epoch; \(NumberText.grouped(report.distinct)) different"
    let tiles: [HTML] = [
      tile(NumberText.grouped(summary.training), "training samples", different),
      tile(NumberText.grouped(summary.validation), "validation", "chosen by the images' hashes"),
      tile(
        NumberText.grouped(report.captions), "captions",
        "\(NumberText.percent(report.captionStatistics.different, of: report.captionStatistics.total)) different"),
      tile(NumberText.grouped(summary.merged), "merged", "as duplicates of an image"),
      tile(NumberText.grouped(skipped), "skipped", others),
    ]
    return "<dl class=\"tiles\">\n\(tiles)</dl>\n"
  }

  private var sources: HTML? {
    let total = report.summary.training
    let rows = report.sources.map { source -> HTML in
      """
      <tr><td class="long">\(bdi(source.path))</td><td>\(NumberText.short(source.repeat))</td>\
      <td>\(NumberText.grouped(source.samples))</td><td>\(NumberText.grouped(source.perEpoch))</td>\
      <td>\(NumberText.percent(source.perEpoch, of: total))</td><td>\(NumberText.grouped(source.validation))</td>\
      <td>\(NumberText.grouped(source.captions))</td></tr>

      """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th>source</th><th>repeat</th><th>samples</th><th>per epoch</th><th>share</th><th>validation</th>\
      <th>captions</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>
      <p class="note">`--repeat` is how often each sample of a source occurs in an epoch. A sample that several sources have belongs to \
      the first of them.</p>

      """
  }
}
