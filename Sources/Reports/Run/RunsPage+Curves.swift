import Watching

/// Curves of a stage, of all runs that have it.
extension RunsPage {
  /// The name that a validation has for the loss as a whole.
  private static let whole = "loss"

  func curves(of stage: String) -> HTML? {
    let found = runs.enumerated().compactMap { index, run in
      run.stages.first { $0.name == stage }.map { (run: index, stage: $0) }
    }
    func lines(
      _ series: (StageRecord) -> ThinnedSeries?, marks: (StageRecord) -> ThinnedSeries? = { _ in nil }, isSmooth: Bool = true
    ) -> [LineChart.Line] {
      found.compactMap { run, stage in
        let (series, marks) = (series(stage), marks(stage))
        if series == nil && marks == nil { return nil }
        return LineChart.Line(
          run: run, name: names[run], curve: series.map { Curve($0, isSmooth: isSmooth) },
          marks: marks.map { Curve.marks($0, limit: runs.count > 2 ? 20 : 50) } ?? [],
          restarts: restarts(stage))
      }
    }
    let parts = Self.names(found.map { $0.stage.losses.map(\.name) })
    let measured = Self.names(found.map { $0.stage.validations.map(\.name) }).filter { !parts.contains($0) && $0 != Self.whole }
    let units = Set(found.compactMap { $0.stage.beginnings.last?.unit }.filter { !$0.isEmpty })
    let unit = units.count == 1 ? units.first! : "units"
    var charts = [
      LineChart(
        title: "Loss",
        lines: lines {
          $0.loss
        } marks: {
          $0.validations.series(Self.whole)
        })
    ]
    charts += parts.map { name in
      LineChart(
        title: "Loss: \(name)",
        lines: lines {
          $0.losses.series(name)
        } marks: {
          $0.validations.series(name)
        })
    }
    charts += measured.map { name in
      LineChart(
        title: "Validation: \(name)",
        lines: lines { _ in
          nil
        } marks: {
          $0.validations.series(name)
        })
    }
    charts += [
      LineChart(title: "Gradient norm", scale: .wide, lines: lines { $0.gradientNorm }),
      LineChart(title: "Learning rate", scale: .fromZero, lines: lines({ $0.lr }, isSmooth: false)),
      LineChart(title: "Throughput, \(unit) per second", unit: "\(unit)/s", scale: .fromZero, lines: lines { $0.throughput }),
    ]
    let figures = charts.compactMap(\.figure)
    let nothing: HTML = "<p class=\"note\">No step has been logged yet.</p>\n"
    let charted: HTML = """
      \(legend(hasMarks: found.contains { !$0.stage.validations.isEmpty }, hasRestarts: found.contains { !restarts($0.stage).isEmpty }))\
      <div class="charts">
      \(figures)</div>

      """
    return "\(table(found))\(figures.isEmpty ? nothing : charted)"
  }

  private static func names(_ lists: [[String]]) -> [String] {
    lists.joined().reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  private func restarts(_ stage: StageRecord) -> [LineChart.Restart] {
    stage.beginnings.filter { $0.step > 0 }.map { beginning in
      LineChart.Restart(
        step: beginning.step,
        hint: "resumed at step \(NumberText.grouped(beginning.step)), \(DateText.moment(beginning.time)), "
          + NumberText.amount(beginning.ranks, "rank"))
    }
  }

  /// What lines, bands and marks mean.
  private func legend(hasMarks: Bool, hasRestarts: Bool) -> HTML {
    let isOne = runs.count == 1
    var keys: [HTML] = isOne ? [] : runs.indices.map { label($0) }
    if isOne {
      keys.append("\(Key.training) training: mean, and from lowest to highest")
    } else {
      keys.append("lines: means of training\(runs.count <= LineChart.mostBands ? "; bands: from lowest to highest" : "")")
    }
    if hasMarks { keys.append(isOne ? "\(Key.validation) validation" : "marks: validation") }
    if hasRestarts { keys.append("\(Key.restart) resumed") }
    return "<p class=\"legend\">\n\(keys.map { key -> HTML in "<span>\(key)</span>\n" })</p>\n"
  }

  private func table(_ found: [(run: Int, stage: StageRecord)]) -> HTML {
    let rows = found.map { run, stage -> HTML in
      let beginning = stage.beginnings.last
      let steps = max(1, stage.last?.step ?? 1)
      let validation = stage.lastValidation.flatMap { ValidationText($0, of: stage) }
      return """
        <tr><td class="long">\(label(run))</td><td>\(NumberText.grouped(stage.last?.step ?? 0))</td>\
        <td>\(beginning.map { NumberText.grouped($0.steps) } ?? "-")</td><td>\(stage.recentLoss.map(NumberText.precise) ?? "-")</td>\
        <td>\(validation?.values ?? "-")</td><td>\(beginning.map { NumberText.compact(Double($0.parameters)) } ?? "-")</td>\
        <td>\(beginning.map { NumberText.grouped($0.batch) } ?? "-")</td><td>\(beginning?.precision ?? "-")</td>\
        <td>\(beginning.map { NumberText.grouped($0.ranks) } ?? "-")</td><td>\(DateText.duration(stage.seconds))</td>\
        <td>\(stage.last == nil ? "-" : DateText.ofStep(stage.seconds / Double(steps)))</td>\
        <td class="\(stage.skippedCount == 0 ? "zero" : "some")">\(NumberText.grouped(stage.skippedCount))</td></tr>

        """
    }
    let validated = found.compactMap { $0.stage.lastValidation.flatMap { [stage = $0.stage] in ValidationText($0, of: stage) } }
      .first
    return """
      <div class="scroll"><table>
      <thead><tr><th>run</th><th>steps</th><th>of</th><th>loss</th><th>validation\(validated.map { ": \($0.names)" } ?? "")</th>\
      <th>parameters</th><th>batch</th><th>precision</th><th>ranks</th><th>time</th><th>per step</th><th>skipped updates</th></tr></thead>
      <tbody>
      \(rows)</tbody>
      </table></div>

      """
  }
}

extension [StageRecord.NamedSeries] {
  /// The curve of that name.
  fileprivate func series(_ name: String) -> ThinnedSeries? { first { $0.name == name }?.series }
}
