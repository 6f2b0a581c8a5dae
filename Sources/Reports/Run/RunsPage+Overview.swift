import Watching

/// How the runs are doing.
extension RunsPage {
  /// The head of a page of one run.
  func tiles(_ run: RunRecord) -> HTML {
    let verdict = run.observation.verdict
    let read = "as read on \(DateText.moment(run.observation.time))"
    var tiles = [
      tile(verdict.state.rawValue, "state", verdict.reason.isEmpty ? read : "\(read): \(NumberText.start(of: verdict.reason, 160))")
    ]
    if let stage = run.stages.first(where: { $0.name == run.observation.trainedStage }) {
      let done = stage.last?.step ?? 0
      tiles.append(tile(NumberText.grouped(done), "\(stage.name) steps", goal(stage)))
      if let loss = stage.recentLoss { tiles.append(tile(NumberText.precise(loss), "loss", "mean of the newest steps, in nats")) }
      if let validation = stage.lastValidation, let shown = ValidationText(validation, of: stage) {
        tiles.append(tile(shown.values, "validation", "\(shown.names), after step \(NumberText.grouped(validation.step))"))
      }
      if let throughput = run.observation.training?.throughput, let unit = stage.beginnings.last?.unit {
        let seconds = run.observation.training?.secondsPerStep.map { "\(DateText.ofStep($0)) per step" }
        let share = run.observation.training?.shareOfPeak.map { "\(NumberText.compact(100 * $0)) % of GEMM peak" }
        let remarks = [seconds, share].compactMap(\.self).joined(separator: ", ")
        tiles.append(tile(NumberText.compact(throughput), "\(unit) per second", remarks))
      }
    }
    tiles.append(
      tile(DateText.duration(trainingSeconds(run)), "training time", "in \(NumberText.amount(run.events.jobCount, "job"))"))
    return "<dl class=\"tiles\">\n\(tiles)</dl>\n"
  }

  /// A table of several runs.
  var overview: HTML? {
    let rows = runs.enumerated().map { index, run -> HTML in
      let stage = run.stages.first { $0.name == run.observation.trainedStage }
      let validation = stage.flatMap { stage in stage.lastValidation.flatMap { ValidationText($0, of: stage) } }
      return """
        <tr><td class="long">\(label(index))<br/><span class="place">\(bdi(run.folder))</span></td><td>\(badge(run))</td>\
        <td>\(stage?.name ?? "-")</td><td>\(stage.map { NumberText.grouped($0.last?.step ?? 0) } ?? "-")</td>\
        <td>\(stage?.recentLoss.map(NumberText.precise) ?? "-")</td><td>\(validation?.values ?? "-")</td>\
        <td>\(run.observation.training?.throughput.map { NumberText.compact($0) } ?? "-")</td>\
        <td>\(DateText.duration(trainingSeconds(run)))</td><td>\(NumberText.grouped(run.events.jobCount))</td></tr>

        """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th>run</th><th>state</th><th>stage</th><th>steps</th><th>loss</th><th>validation</th><th>units/s</th>\
      <th>training time</th><th>jobs</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>

      """
  }

  /// A table of the configurations' keys that are not the same in all runs.
  var differences: HTML? {
    if runs.count == 1 { return nil }
    let missing = runs.indices.filter { runs[$0].configuration == nil }.map { names[$0] }
    let note: HTML? =
      missing.isEmpty
      ? nil : "<p class=\"note\">Without a configuration that can be read: \(missing.joined(separator: ", ")).</p>\n"
    let known = runs.indices.filter { runs[$0].configuration != nil }
    guard known.count > 1 else { return note }
    let differences = RunConfiguration.differences(known.compactMap { runs[$0].configuration })
    if differences.isEmpty { return "<p>The configurations are the same, key by key.</p>\n\(note)" }
    let heads = known.map { index -> HTML in "<th>\(label(index))</th>" }
    let rows = differences.map { key, values -> HTML in
      let cells = values.map { value -> HTML in
        value.map { "<td>\(NumberText.start(of: $0, 300))</td>" } ?? "<td class=\"missing\">none</td>"
      }
      return "<tr><td><code>\(key)</code></td>\(cells)</tr>\n"
    }
    return """
      <div class="scroll"><table class="differences">
      <thead><tr><th>key</th>\(heads)</tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>
      <p class="note">All other keys of the configurations are the same.</p>
      \(note)
      """
  }

  private func badge(_ run: RunRecord) -> HTML {
    let state = run.observation.verdict.state.rawValue
    return "<span class=\"badge \(state)\" title=\"\(run.observation.verdict.reason)\">\(state)</span>"
  }

  private func trainingSeconds(_ run: RunRecord) -> Double { run.stages.reduce(0) { $0 + $1.seconds } }

  private func goal(_ stage: StageRecord) -> String {
    guard let steps = stage.beginnings.last?.steps, steps > 0 else { return "" }
    return "of \(NumberText.grouped(steps)) (\(NumberText.percent(Double(stage.last?.step ?? 0) / Double(steps))))"
  }
}

/// The values of a validation that are parts of the loss, or else the first ones.
struct ValidationText {
  /// `text / image`
  let names: String
  /// `4.25 / 5.7`
  let values: String

  private static let count = 2

  /// Nil if there is none.
  init?(_ validation: TrainingHistory.Validation, of stage: StageRecord) {
    let parts = validation.values.filter { value in stage.losses.contains { $0.name == value.name } }
    let shown = (parts.isEmpty ? validation.values : parts).prefix(Self.count)
    if shown.isEmpty { return nil }
    names = shown.map(\.name).joined(separator: " / ")
    values = shown.map { NumberText.precise($0.value) }.joined(separator: " / ")
  }
}

extension StageRecord {
  /// The end of the smooth curve of the loss.
  var recentLoss: Double? { Curve(loss).means.last }
}
