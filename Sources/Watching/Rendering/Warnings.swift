/// The warnings of a run.
enum Warnings {
  /// The newest ones first, as many as there are lines for.
  static func lines(_ run: Observation, rows: Int, on paper: Paper) -> [StyledLine] {
    guard rows > 0 else { return [] }
    var lines: [StyledLine] = []
    for notice in run.warnings.reversed() {
      if lines.count >= rows { break }
      lines += Flow.wrapped(text(notice, run), .warning, indent: 2, on: paper)
    }
    return cut(lines, rows, paper)
  }

  /// How many there are, and the newest one.
  static func newest(_ run: Observation, rows: Int, on paper: Paper) -> [StyledLine] {
    guard let newest = run.warnings.last else { return title(run, hint: "", on: paper) }
    let count = run.warnings.count == 1 ? "1 warning" : "\(run.warnings.count) warnings, the newest"
    return cut(Flow.wrapped("\(count): \(text(newest, run))", .warning, indent: 2, on: paper), rows, paper)
  }

  private static func text(_ notice: Notice, _ run: Observation) -> String {
    let age = Texts.duration(max(0, run.time - notice.time))
    let origin = (notice.rank > 0 ? "rank \(notice.rank), " : "") + (notice.stage.map { "\($0), " } ?? "")
    return "\(origin)\(age) ago: \(notice.text)"
  }

  private static func cut(_ lines: [StyledLine], _ rows: Int, _ paper: Paper) -> [StyledLine] {
    if lines.count <= rows { return lines }
    return lines.prefix(rows - 1) + [(lines[rows - 1] + StyledLine(" " + paper.ellipsis, .faint)).cut(to: paper.columns, paper)]
  }

  /// A line that says how many there are; none for none.
  static func title(_ run: Observation, hint: String, on paper: Paper) -> [StyledLine] {
    var flow = Flow()
    if !run.warnings.isEmpty {
      flow.add("\(run.warnings.count) \(run.warnings.count == 1 ? "warning" : "warnings")\(hint)", .warning)
    }
    if run.skippedSamples > 0 { flow.add("skipped samples", value: "\(run.skippedSamples)", .warning) }
    return flow.lines(on: paper)
  }
}
