import Watching

/// A series of numbers as a chart shows it: a smooth line, and a band from the lowest to the highest value beside it.
struct Curve {
  typealias Point = ThinnedSeries.Point

  /// Neighbouring points put together.
  let columns: [Point]
  /// Means over a fortieth of the series, one for each column.
  let means: [Double]

  private static let columnLimit = 240
  /// Points of a curve that has no band because it has a column for each.
  private static let fewPoints = 30

  init(_ series: ThinnedSeries, isSmooth: Bool = true) {
    let points = series.points.map(\.clamped)
    let columns = Self.merged(
      points, into: points.count < Self.fewPoints ? points.count : min(Self.columnLimit, max(Self.fewPoints, points.count / 3)))
    self.columns = columns
    means = isSmooth ? Self.smooth(columns) : columns.map(\.mean)
  }

  /// Points at which something was measured, such as validations.
  ///
  /// - Parameter limit: of marks, so that those of several runs can be told apart.
  static func marks(_ series: ThinnedSeries, limit: Int) -> [Point] { merged(series.points.map(\.clamped), into: limit) }

  /// At most so many columns of equal width.
  private static func merged(_ points: [Point], into count: Int) -> [Point] {
    guard points.count > count, let first = points.first, let last = points.last else { return points }
    let width = (Double(last.lastStep) - Double(first.firstStep) + 1) / Double(count)
    func column(_ point: Point) -> Int { Int((point.center - Double(first.firstStep)) / width) }
    var merged: [Point] = []
    for point in points {
      if let last = merged.last, column(last) == column(point) {
        merged[merged.count - 1] = last.merged(with: point)
      } else {
        merged.append(point)
      }
    }
    return merged
  }

  private static func smooth(_ columns: [Point]) -> [Double] {
    guard columns.count >= fewPoints else { return columns.map(\.mean) }
    let reach = (columns.last!.center - columns.first!.center) / 80
    var (low, high) = (0, 0)
    return columns.map { column in
      while columns[low].center < column.center - reach { low += 1 }
      while high < columns.count, columns[high].center <= column.center + reach { high += 1 }
      let near = columns[low..<high]
      return near.reduce(0) { $0 + $1.mean * Double($1.count) } / near.reduce(0) { $0 + Double($1.count) }
    }
  }
}

extension ThinnedSeries.Point {
  /// Without numbers whose sums could be infinite, which nothing but damage has.
  fileprivate var clamped: Self {
    var point = self
    func clamp(_ value: Double) -> Double { value.isNaN ? 0 : min(max(value, -1e100), 1e100) }
    (point.mean, point.minimum, point.maximum) = (clamp(mean), clamp(minimum), clamp(maximum))
    return point
  }
}
