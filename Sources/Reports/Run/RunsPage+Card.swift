import Foundation
import Watching

/// What each run trained, on what, and how: a card for its models.
extension RunsPage {
  var cards: HTML? { "\(runs.indices.map(card))" }

  private func card(_ index: Int) -> HTML {
    let run = runs[index]
    let rows = [models(run), data(run), training(run)].flatMap { $0 }.map { name, value -> HTML in
      "<div><dt>\(name)</dt><dd>\(value)</dd></div>\n"
    }
    let configuration: HTML =
      if let text = run.configuration?.text {
        """
        <details class="configuration"><summary>Configuration (config.yaml, every key)</summary>
        <pre>\(text)</pre></details>

        """
      } else {
        "<p class=\"note\">The configuration cannot be read.</p>\n"
      }
    return """
      \(heading(index))<dl class="facts-list">
      \(rows)</dl>
      \(products(run))\(configuration)
      """
  }

  private typealias Fact = (name: String, value: HTML)

  private func models(_ run: RunRecord) -> [Fact] {
    run.stages.compactMap { stage in
      guard let beginning = stage.beginnings.last else { return nil }
      let parts = [
        "\(NumberText.grouped(beginning.parameters)) parameters",
        "\(NumberText.grouped(stage.last?.step ?? beginning.step)) of \(NumberText.grouped(beginning.steps)) steps of "
          + NumberText.amount(beginning.batch, "sample"), beginning.precision,
        "loss \(stage.recentLoss.map(NumberText.precise) ?? "unknown")",
      ]
      return ("model: \(stage.name)", "\(parts.joined(separator: ", "))")
    }
  }

  private func data(_ run: RunRecord) -> [Fact] {
    let keys = run.configuration?.values ?? [:]
    let source = keys["data.source"].map { source in
      source == "dataset" ? "dataset \(keys["data.path"] ?? "")" : source
    }
    let identities = Set(run.products.compactMap { $0.inputs["data"] }).sorted()
    var facts: [Fact] = []
    facts.append(("dataset", source.map { "\(bdi($0))" } ?? "unknown"))
    if let size = run.events.data { facts.append(("samples", "\(size)")) }
    if !identities.isEmpty { facts.append(("identity of the data", "<code>\(identities.joined(separator: "; "))</code>")) }
    return facts
  }

  private func training(_ run: RunRecord) -> [Fact] {
    let events = run.events.list.shown.events
    let starts = run.stages.flatMap(\.beginnings)
    var facts: [Fact] = []
    if let first = events.first?.time, let last = events.last?.time {
      facts.append(
        (
          "trained",
          "from \(DateText.moment(first)) to \(DateText.moment(max(last, run.stages.compactMap { $0.last?.time }.max() ?? 0)))"
        ))
    }
    if let newest = starts.max(by: { $0.time < $1.time }) {
      let hosts =
        newest.hosts.prefix(16).joined(separator: ", ") + (newest.hosts.count > 16 ? " and \(newest.hosts.count - 16) more" : "")
      facts.append(("ranks", "\(NumberText.grouped(newest.ranks)) on \(bdi(hosts.isEmpty ? "hosts that are not known" : hosts))"))
    }
    if let checkpoint = run.observation.checkpoint {
      facts.append(
        (
          "newest checkpoint",
          "step \(NumberText.grouped(checkpoint.step)), \(NumberText.bytes(Double(checkpoint.byteCount))): \(bdi(checkpoint.path))"
        ))
    }
    let versions = Set(starts.map(\.version)).sorted().map(String.init)
    if !versions.isEmpty { facts.append(("format of the logs", "version \(versions.joined(separator: ", "))")) }
    return facts
  }

  /// What each stage made, from what, and the hashes by which a model is known.
  private func products(_ run: RunRecord) -> HTML? {
    if run.products.isEmpty { return nil }
    let rows = run.products.map { product -> HTML in
      let inputs = product.inputs.sorted { $0.key < $1.key }.map { name, value -> HTML in
        "<div>\(name) <code title=\"\(value)\">\(Self.short(value))</code></div>"
      }
      let steps = product.work > 0 ? ", \(NumberText.grouped(product.work)) steps" : ""
      let state = product.product == nil ? "not finished" : product.isGiven ? "copied into the run" : "made by this run\(steps)"
      return """
        <tr><td>\(product.stage)</td><td class="long"><code>\(product.product ?? "-")</code></td><td>\(state)</td>\
        <td class="long">\(inputs)</td></tr>

        """
    }
    let files = run.modelFiles.map { "\($0.name) (\(NumberText.bytes(Double($0.byteCount))))" }
    return """
      <h3>Products</h3>
      <div class="scroll"><table class="products">
      <thead><tr><th>stage</th><th>SHA-256 of its product</th><th>origin</th><th>made from</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>
      <p class="note">Files in \(bdi("\(run.folder)/model")): \(files.isEmpty ? "none yet" : files.joined(separator: ", ")). The SHA-256 of a model is \
      that of its weights, \(bdi("STAGE.safetensors")); of the tokenizer, that of tokenizer.json.</p>

      """
  }

  /// The beginning of a hash.
  private static func short(_ value: String) -> String {
    value.count == 64 && value.allSatisfy(\.isHexDigit) ? value.prefix(12) + "…" : NumberText.start(of: value, 80)
  }
}
