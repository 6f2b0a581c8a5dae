import Monitoring

/// A curve over training steps, as lines of text.
struct Plot {
  var title: String
  var points: [ThinnedSeries.Point]

  /// Columns of the numbers to the left.
  private static let margin = 7

  /// Points that are not finite, or so large that their sums would not be, are dropped.
  init(_ title: String, _ points: [ThinnedSeries.Point]) {
    (self.title, self.points) = (title, points.filter { abs($0.mean) < 1e300 })
  }

  /// - Returns: `rows` lines of `columns` columns: title, curve, steps.
  func lines(columns: Int, rows: Int, _ paper: Paper) -> [StyledLine] {
    var grid = DotGrid(columns: max(1, columns - Self.margin - 1), rows: max(1, rows - 2), isUnicode: paper.isUnicode)
    let range = draw(on: &grid)
    let curves = grid.rows
    let labels = curves.indices.map { row -> String in
      guard let range else { return "" }
      return row == 0 ? short(range.upperBound) : row == curves.count - 1 ? short(range.lowerBound) : ""
    }
    let body = zip(labels, curves).map { label, curve in
      let label = DisplayWidth.prefix(label, Self.margin)
      let blanks = String(repeating: " ", count: Self.margin - label.count)
      return StyledLine(blanks + label + (paper.isUnicode ? "▏" : "|"), .faint) + StyledLine(curve, .curve)
    }
    return ([StyledLine(title, .faint)] + body + [axis(columns)]).map { $0.cut(to: columns, paper).padded(to: columns) }
  }

  private func axis(_ columns: Int) -> StyledLine {
    guard let first = points.first, let last = points.last else { return StyledLine("no steps yet", .faint) }
    let (left, right) = ("\(first.firstStep)", "\(last.lastStep)")
    let gap = columns - Self.margin - 1 - left.count - right.count
    let text = gap > 0 ? left + String(repeating: " ", count: gap) + right : right
    return StyledLine(String(repeating: " ", count: Self.margin + 1) + text, .faint)
  }

  /// Draws the means of columns, each connected with the one before; returns the range of values from bottom to top.
  private func draw(on grid: inout DotGrid) -> ClosedRange<Double>? {
    guard let first = points.first?.firstStep, let last = points.last?.lastStep else { return nil }
    var sums = Array(repeating: (sum: 0.0, count: 0), count: grid.width)
    for point in points {
      let middle = Double(point.firstStep + point.lastStep) / 2 - Double(first)
      let x = Int(middle / Double(max(1, last - first)) * Double(grid.width - 1))
      sums[x].sum += point.mean
      sums[x].count += 1
    }
    let means = sums.map { $0.count == 0 ? nil : $0.sum / Double($0.count) }
    guard let least = means.compactMap(\.self).min(), let most = means.compactMap(\.self).max() else { return nil }
    var before: (x: Int, y: Int)?
    for (x, mean) in means.enumerated() {
      guard let mean else { continue }
      let share = most > least ? (mean - least) / (most - least) : 0.5
      let dot = (x: x, y: Int(((1 - share) * Double(grid.height - 1)).rounded()))
      grid.line(from: before ?? dot, to: dot)
      before = dot
    }
    return least...most
  }

  /// Plots beside each other.
  static func row(_ plots: [Plot], rows: Int, on paper: Paper) -> [StyledLine] {
    let gaps = 2 * (plots.count - 1)
    let columns = (paper.columns - gaps) / plots.count
    let all = plots.map { $0.lines(columns: columns, rows: rows, paper) }
    return (0..<rows).map { row in
      all.dropFirst().reduce(all[0][row]) { $0 + StyledLine("  ") + $1[row] }
    }
  }
}
