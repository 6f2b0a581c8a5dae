/// Counts of cases 0, 1, ... as a histogram over [0, number of cases): a bucket has one case, or as many as it takes to have few buckets.
struct Buckets {
  /// TensorBoard shows about thirty.
  static let most = 256

  /// Right edge of each bucket.
  private(set) var limits: [Double] = []
  private(set) var counts: [Double] = []
  private(set) var (total, sum, sumOfSquares) = (0.0, 0.0, 0.0)

  init(_ cases: [Int]) {
    let width = max(1, (cases.count + Self.most - 1) / Self.most)
    for first in stride(from: 0, to: cases.count, by: width) {
      let end = min(first + width, cases.count)
      limits.append(Double(end))
      counts.append(Double(cases[first..<end].reduce(0, +)))
    }
    for (index, count) in cases.enumerated() {
      let (value, count) = (Double(index), Double(count))
      total += count
      sum += count * value
      sumOfSquares += count * value * value
    }
  }
}
