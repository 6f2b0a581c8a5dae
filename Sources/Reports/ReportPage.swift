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
    ].compactMap { name, title, body in body.map { (name: name, title: title, body: $0) } }
    let links = sections.map { section -> HTML in "<a href=\"#\(section.name)\">\(section.title)</a>\n" }
    let bodies = sections.map { section -> HTML in
      "<section id=\"\(section.name)\">\n<h2>\(section.title)</h2>\n\(section.body)</section>\n"
    }
    let name = (report.dataset as NSString).lastPathComponent
    // Allows the page nothing but its own images and style, whatever else might get into it.
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
    let skipped = summary.skipped.values.reduce(0, +)
    let parts = summary.skippedParts.values.reduce(0, +)
    let others = parts == 0 ? "samples" : "samples, and \(NumberText.amount(parts, "caption")) of others"
    let different = summary.repeated == 0 ? "each once per epoch" : "per epoch; \(NumberText.grouped(report.distinct)) different"
    let tiles: [HTML] = [
      tile(summary.training, "training samples", different),
      tile(summary.validation, "validation", "chosen by the images' hashes"),
      tile(
        report.captions, "captions", report.captionCharacters.map { "of \(NumberText.short($0.mean)) characters on average" } ?? ""),
      tile(summary.merged, "merged", "as duplicates of an image"),
      tile(skipped, "skipped", others),
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

  /// Text whose direction of writing does not disturb what is around it.
  func bdi(_ text: String) -> HTML { "<bdi>\(text)</bdi>" }
}
