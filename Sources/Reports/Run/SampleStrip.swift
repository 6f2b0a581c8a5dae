import Watching

/// The sample sheets of a run that a page shows, over the steps of each stage.
struct SampleStrip {
  struct Sheet {
    var step: Int
    var image: Inlay
  }

  struct Stage {
    var name: String
    var sheets: [Sheet]
    /// Sheets that the run has.
    var count: Int
  }

  private(set) var stages: [Stage] = []
  /// Sheets that cannot be read.
  private(set) var problems: [String] = []

  // Of a page, so that it stays below 5 MB.
  private static let sheetCount = 24
  private static let byteCount = 1_800_000

  /// - Parameter count: of the runs that share the page.
  init(_ run: RunRecord, ofRuns count: Int) {
    let byStage = Dictionary(grouping: run.samples, by: \.stage)
    let order = run.stages.map(\.name).filter { byStage[$0] != nil }
    let names = order + byStage.keys.filter { !order.contains($0) }.sorted()
    for name in names {
      let all = byStage[name] ?? []
      let share = max(1, Self.sheetCount / count / names.count)
      var sheets: [Sheet] = []
      for sheet in Self.evenly(share, of: all) {
        do {
          let image = try Inlay(
            pngFile: sheet.path, name: "samples of \(name) after step \(sheet.step)",
            byteCount: Self.byteCount / max(1, share * names.count * count))
          sheets.append(Sheet(step: sheet.step, image: image))
        } catch { problems.append("\(error)") }
      }
      stages.append(Stage(name: name, sheets: sheets, count: all.count))
    }
  }

  /// So many of them, always with the last.
  private static func evenly<Element>(_ count: Int, of all: [Element]) -> [Element] {
    guard all.count > count else { return all }
    if count == 1 { return [all[all.count - 1]] }
    return (0..<count).map { all[$0 * (all.count - 1) / (count - 1)] }
  }
}

extension RunsPage {
  var sampleStrips: HTML? {
    let parts = samples.enumerated().flatMap { index, strip in strip.stages.map { part(index, $0) } }
    if parts.isEmpty { return nil }
    return """
      <p class="note">What the models generated during training, from the EMA weights; for a dVAE, images of the validation split, each \
      beside its reconstruction. A sheet opens in full width.</p>
      \(parts)
      """
  }

  private func part(_ index: Int, _ stage: SampleStrip.Stage) -> HTML {
    let sheets = stage.sheets.map { sheet -> HTML in
      """
      <details><summary><img src="\(sheet.image.address)" width="\(sheet.image.width)" height="\(sheet.image.height)" \
      alt="\(sheet.image.name)"/><span>step \(NumberText.grouped(sheet.step))</span></summary></details>

      """
    }
    let shown = stage.sheets.count == stage.count ? "" : "\(NumberText.grouped(stage.sheets.count)) of "
    let title: HTML = runs.count == 1 ? "\(stage.name)" : "\(label(index)): \(stage.name)"
    return """
      <h3 class="run">\(title) <span class="count">\(shown)\(NumberText.amount(stage.count, "sheet"))</span></h3>
      <div class="strip">
      \(sheets)</div>

      """
  }
}
