/// A run as text, for `--once` and pipes.
package enum TextReport {
  private static let plotRows = 2 * 8
  /// Ranks of which a line each is shown; of more than these the worst.
  private static let rankCount = 32
  private static let warningRows = 20

  package static func lines(_ run: Observation, on paper: Paper) -> [StyledLine] {
    let table = RankTable(run.ranks, on: paper)
    let rows = table.rows(0..<rankCount, fitting: rankCount)
    let rest = run.ranks.count - rankCount
    let more = rest > 0 ? [StyledLine("and \(rest) more ranks; --json has all of them", .faint).cut(to: paper.columns, paper)] : []
    let sections = [
      Head(run: run, paper: paper).lines,
      Plots.lines(run, rows: plotRows, on: paper),
      RankTable.summary(run.ranks, on: paper) + table.header + rows + more,
      Warnings.title(run, hint: ", the newest first", on: paper)
        + Warnings.lines(run, rows: warningRows, on: paper),
    ]
    return Array(sections.filter { !$0.isEmpty }.joined(separator: [StyledLine()]))
  }
}
