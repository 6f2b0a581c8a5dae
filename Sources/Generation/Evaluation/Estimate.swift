import Random

#if canImport(Glibc)
  import Glibc
#endif

/// A number that was measured on a sample, with the interval that has its true value in 95 of 100 cases.
package struct Estimate: Codable, Equatable, Sendable {
  package let value, low, high: Double

  init(value: Double, low: Double, high: Double) { (self.value, self.low, self.high) = (value, low, high) }

  /// The mean of independent values, by their standard deviation.
  init(meanOf values: [Double]) {
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
    self.init(mean, deviation: (variance / n).squareRoot())
  }

  /// A ratio of two sums over samples, such as nats per token, by its standard deviation (delta method).
  init(ratioOf numerators: [Double], to denominators: [Double]) {
    let n = Double(numerators.count)
    let total = max(1e-300, denominators.reduce(0, +))
    let ratio = numerators.reduce(0, +) / total
    let squares = zip(numerators, denominators).reduce(0) { $0 + pow($1.0 - ratio * $1.1, 2) }
    self.init(ratio, deviation: (squares * n / max(1, n - 1)).squareRoot() / total)
  }

  /// A share of independent trials (Wilson 1927).
  init(_ hits: Int, of trials: Int) {
    let (n, p, z) = (Double(trials), Double(hits) / Double(trials), Self.deviations)
    let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    self.init(value: p, low: max(0, middle - half), high: min(1, middle + half))
  }

  /// A value and its standard deviation by bootstrap: it is computed again for samples taken with replacement (Efron 1979).
  ///
  /// - Parameter least: what no such value can be below.
  init(
    _ value: Double, samples: Int, resamples: Int = 100, seed: UInt64, least: Double = -.infinity,
    _ again: (_ samples: [Int]) -> Double
  ) {
    var random = RandomStream(seed: seed, stream: 0xB007)
    let values = (0..<resamples).map { _ in again((0..<samples).map { _ in random.integer(in: 0..<samples) }) }
    let mean = values.reduce(0, +) / Double(resamples)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(resamples - 1)
    self.init(value, deviation: variance.squareRoot(), least: least)
  }

  private init(_ value: Double, deviation: Double, least: Double = -.infinity) {
    let half = Self.deviations * deviation
    self.init(value: value, low: max(least, value - half), high: value + half)
  }

  /// Of a normal distribution, around 95 % of it.
  private static let deviations = 1.959964
}
