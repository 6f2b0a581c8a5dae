/// Numbers by step, in bounded memory however long the series is: where there are too many points, neighbours are merged.
package struct ThinnedSeries: Sendable {
  /// Neighbouring steps.
  package struct Point: Sendable, Equatable {
    package var firstStep: Int
    package var lastStep: Int
    /// Of the finite values.
    package var mean: Double
    package var minimum: Double
    package var maximum: Double
    package var count: Int

    /// A step's value.
    package init(_ value: Double, step: Int) {
      (firstStep, lastStep, mean, minimum, maximum, count) = (step, step, value, value, value, 1)
    }

    /// The middle of its steps.
    package var center: Double { (Double(firstStep) + Double(lastStep)) / 2 }
  }

  package static let limit = 2048

  private let limit: Int
  package private(set) var points: [Point] = []
  /// Steps that a point covers.
  private var stride = 1

  /// - Parameter limit: of points; there are more than half of it as soon as the series is longer.
  package init(limit: Int = limit) { self.limit = limit }

  /// Adds a step's value. Values of later steps, which are of an earlier job then, are dropped; one that is not finite leaves a gap.
  package mutating func add(_ value: Double, step: Int) { add(Point(value, step: step)) }

  /// Adds the values of a step, such as one of each rank, in place of a single one.
  package mutating func add(_ point: Point) {
    while let last = points.last, last.lastStep >= point.firstStep { points.removeLast() }
    guard point.mean.isFinite else { return }
    if let last = points.last, last.firstStep / stride == point.firstStep / stride {
      points[points.count - 1] = last.merged(with: point)
    } else {
      points.append(point)
      if points.count > limit { thin() }
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
  /// This one and the next as one.
  package func merged(with next: Self) -> Self {
    var merged = self
    merged.count += next.count
    merged.mean += (next.mean - mean) * (Double(next.count) / Double(merged.count))
    merged.lastStep = next.lastStep
    (merged.minimum, merged.maximum) = (min(minimum, next.minimum), max(maximum, next.maximum))
    return merged
  }

  /// The values of all ranks at a step; nil if none is in the range.
  static func ofRanks(_ values: [Double], in range: Range<Double>, step: Int) -> Self? {
    var point: Self?
    for value in values where range.contains(value) {
      let next = Self(value, step: step)
      point = point?.merged(with: next) ?? next
    }
    point?.count = 1
    return point
  }
}
