/// The plots of a page.
enum Plots {
  /// Lines of the smallest plot that shows something.
  static let leastRows = 5
  private static let mostRows = 14

  /// As many plots as fit: the loss over the whole run and its recent part, and below it the loss's parts.
  static func lines(_ run: Observation, rows: Int, on paper: Paper) -> [StyledLine] {
    guard let training = run.training, !training.loss.points.isEmpty, rows >= leastRows, paper.columns >= 20 else { return [] }
    let recent = training.recent.map { ThinnedSeries.Point($0.loss, step: $0.step) }
    let loss = [Plot("loss, whole run", training.loss.points), Plot("loss, last \(training.recent.count) steps", recent)]
    let parts = training.parts.count > 1 ? training.parts.map { Plot("\($0.name), whole run", $0.series.points) } : []
    let fits = max(1, paper.columns / 38)
    let groups = [Array(loss.prefix(fits)), Array(parts.prefix(fits))].filter { !$0.isEmpty }
    let count = min(groups.count, rows / (2 * leastRows) + 1)
    let each = min(mostRows, rows / count)
    return groups.prefix(count).flatMap { Plot.row($0, rows: each, on: paper) }
  }
}
