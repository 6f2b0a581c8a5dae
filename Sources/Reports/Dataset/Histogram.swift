import Foundation

/// The distribution of numbers: a few figures, and bars for a chart.
package struct Histogram: Codable, Equatable, Sendable {
  package struct Bar: Codable, Equatable, Sendable {
    package var from: Double
    /// The first number that is above the bar; nil if the bar has everything from `from` on.
    package var to: Double?
    package var count: Int
  }

  package enum Scale: String, Codable, Sendable {
    /// Bars of equal width.
    case linear
    /// Four bars from a number to its double.
    case octaves
    /// Width by height: eight bars from a ratio to its double, one of them around 1.
    case ratio
  }

  package var scale: Scale
  package var count: Int
  package var minimum: Double
  package var median: Double
  package var mean: Double
  /// What 99 % of the numbers do not exceed.
  package var ninetyNinth: Double
  package var maximum: Double
  package var bars: [Bar]

  private init(_ tally: Tally, _ scale: Scale, bars: [Bar], value: (Int) -> Double) {
    (self.scale, self.bars, count) = (scale, bars, tally.count)
    minimum = value(tally.quantile(0))
    median = value(tally.quantile(0.5))
    ninetyNinth = value(tally.quantile(0.99))
    maximum = value(tally.quantile(1))
    mean = tally.counts.sorted { $0.key < $1.key }.reduce(0) { $0 + value($1.key) * Double($1.value) } / Double(tally.count)
  }

  /// At most 32 bars; where a few numbers are far above the others, the last bar has them all.
  static func linear(_ tally: Tally) -> Histogram? {
    if tally.count == 0 { return nil }
    let (least, most, usual) = (tally.quantile(0), tally.quantile(1), tally.quantile(0.99))
    let end = most <= max(2 * usual, least + 30) ? most : usual
    // 1, 2, 5, 10, 20, 50, ...
    var (step, power) = (1, 1)
    while end / step - least / step >= 31 {
      switch step / power {
      case 1: step = 2 * power
      case 2: step = 5 * power
      default:
        power *= 10
        step = power
      }
    }
    let first = least / step
    var counts = [Int](repeating: 0, count: end / step - first + 1)
    var above = 0
    for (value, count) in tally.counts {
      if value / step - first < counts.count { counts[value / step - first] += count } else { above += count }
    }
    var bars = counts.enumerated().map {
      Bar(from: Double((first + $0.offset) * step), to: Double((first + $0.offset + 1) * step), count: $0.element)
    }
    if above > 0 { bars.append(Bar(from: bars.last!.to!, to: nil, count: above)) }
    return Histogram(tally, .linear, bars: bars, value: Double.init)
  }

  static func octaves(_ tally: Tally) -> Histogram? {
    if tally.count == 0 { return nil }
    func bar(_ value: Int) -> Int { Int((4 * log2(Double(max(1, value)))).rounded(.down)) }
    let first = bar(tally.quantile(0))
    var counts = [Int](repeating: 0, count: bar(tally.quantile(1)) - first + 1)
    for (value, count) in tally.counts { counts[bar(value) - first] += count }
    let bars = counts.enumerated().map {
      Bar(from: exp2(Double(first + $0.offset) / 4), to: exp2(Double(first + $0.offset + 1) / 4), count: $0.element)
    }
    return Histogram(tally, .octaves, bars: bars, value: Double.init)
  }

  /// What a tally for `ratios` counts an image as: 64 steps from a ratio to its double.
  static func ratioStep(width: Int, height: Int) -> Int { Int((64 * log2(Double(width) / Double(height))).rounded()) }

  /// Bars from 1:4 to 4:1, the outer two with everything beyond.
  static func ratios(_ tally: Tally) -> Histogram? {
    if tally.count == 0 { return nil }
    var counts = [Int](repeating: 0, count: 33)
    for (step, count) in tally.counts { counts[min(32, max(0, Int((Double(step) / 8).rounded()) + 16))] += count }
    func edge(_ bar: Int) -> Double { exp2((Double(bar - 16) - 0.5) / 8) }
    let bars = counts.enumerated().map { bar, count in
      Bar(from: bar == 0 ? 0 : edge(bar), to: bar == 32 ? nil : edge(bar + 1), count: count)
    }
    return Histogram(tally, .ratio, bars: bars) { exp2(Double($0) / 64) }
  }
}
