import Foundation

/// Numbers along a side of a chart.
struct Axis {
  let low: Double
  let high: Double
  let isLogarithmic: Bool

  /// Where the numbers span more than this factor, a logarithmic axis shows more.
  private static let wide = 30.0

  /// - Parameters:
  ///   - values: what it has to show.
  ///   - hasZero: it begins at 0, so that lengths can be compared.
  ///   - mayBeLogarithmic: it is, if the values are positive and far apart.
  init(_ values: some Sequence<Double>, hasZero: Bool = false, mayBeLogarithmic: Bool = false) {
    var (low, high) = (Double.infinity, -Double.infinity)
    for value in values { (low, high) = (min(low, value), max(high, value)) }
    if low > high { (low, high) = (0, 1) }
    isLogarithmic = mayBeLogarithmic && low > 0 && high > Self.wide * low
    if isLogarithmic {
      (self.low, self.high) = (low / 1.1, high * 1.1)
      return
    }
    if hasZero { (low, high) = (min(low, 0), max(high, 0)) }
    // Something flat is in the middle.
    let margin = high > low ? 0.05 * (high - low) : max(abs(high) * 0.1, 1e-6)
    self.low = hasZero && low == 0 ? 0 : low - margin
    self.high = high + margin
  }

  /// Where a value is between the ends, 0 to 1; a value beyond them is at the end.
  func share(_ value: Double) -> Double {
    let share =
      isLogarithmic ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
    return share.isFinite ? min(max(share, 0), 1) : 0
  }

  /// Two to six values with their texts.
  var ticks: [(value: Double, label: String)] {
    if isLogarithmic {
      let powers = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
      // Powers of ten alone, unless they are too few; of very many, every few.
      let digits = high / low > 100 ? [1.0] : [1, 2, 5]
      let step = max(1, powers.count / 5)
      return powers.filter { $0 % step == 0 }.flatMap { power in
        digits.map { ($0 * pow(10, Double(power))) }.filter { (low...high).contains($0) }.map {
          ($0, NumberText.compact($0, scientificBelow: 1e-2))
        }
      }
    }
    let step = NumberText.niceStep((high - low) / 6)
    let first = (low / step).rounded(.up)
    return (0..<8).map { (first + Double($0)) * step }.filter { $0 <= high }.map { ($0, NumberText.onAxis($0, step: step)) }
  }
}
