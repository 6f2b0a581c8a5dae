/// How often each whole number occurs. Memory grows with the number of different ones: even of lengths of captions there are few,
/// as a hundred thousand different ones take five billion characters.
struct Tally {
  private(set) var counts: [Int: Int] = [:]
  private(set) var count = 0

  mutating func add(_ value: Int) {
    counts[value, default: 0] += 1
    count += 1
  }

  /// The smallest number that at least `share` of all do not exceed. The tally must not be empty.
  func quantile(_ share: Double) -> Int {
    var left = Int((share * Double(count)).rounded(.up))
    let sorted = counts.sorted { $0.key < $1.key }
    for (value, count) in sorted {
      left -= count
      if left <= 0 { return value }
    }
    return sorted.last!.key
  }
}
