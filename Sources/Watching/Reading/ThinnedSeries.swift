/// Numbers by step, in bounded memory however long the series is: where there are too many points, neighbours are merged.
package struct ThinnedSeries: Sendable {
  /// Means over neighbouring steps.
  package struct Point: Sendable, Equatable {
    package var firstStep: Int
    package var lastStep: Int
    /// Of the finite values.
    package var mean: Double
    package var count: Int
  }

  package static let limit = 2048

  package private(set) var points: [Point] = []
  /// Steps that a point covers.
  private var stride = 1

  package init() {}

  /// Adds a step's value. Values of later steps, which are of an earlier job then, are dropped; one that is not finite leaves a gap.
  mutating func add(_ value: Double, step: Int) {
    while let last = points.last, last.lastStep >= step { points.removeLast() }
    guard value.isFinite else { return }
    if let last = points.last, last.firstStep / stride == step / stride {
      points[points.count - 1] = last.merged(with: Point(firstStep: step, lastStep: step, mean: value, count: 1))
    } else {
      points.append(Point(firstStep: step, lastStep: step, mean: value, count: 1))
      if points.count > Self.limit { thin() }
    }
  }

  private mutating func thin() {
    stride *= 2
    var merged: [Point] = []
    for point in points {
      if let last = merged.last, last.firstStep / stride == point.firstStep / stride {
        merged[merged.count - 1] = last.merged(with: point)
      } else {
        merged.append(point)
      }
    }
    points = merged
  }
}

extension ThinnedSeries.Point {
  fileprivate func merged(with next: Self) -> Self {
    let count = count + next.count
    let mean = mean + (next.mean - mean) * Double(next.count) / Double(count)
    return Self(firstStep: firstStep, lastStep: next.lastStep, mean: mean, count: count)
  }
}
