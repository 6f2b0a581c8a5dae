import Random

/// Counts different texts in bounded memory: exactly while they are few, beyond that by how densely the smallest hashes lie
/// (k minimum values; Bar-Yossef et al. 2002), with a standard error of 1 / sqrt(k).
struct DistinctCounter {
  private let capacity: Int
  /// The smallest hashes.
  private var hashes: Set<UInt64> = []
  /// The largest of them, once there are `capacity`.
  private var limit = UInt64.max

  init(capacity: Int = 16_384) { self.capacity = capacity }

  var isExact: Bool { limit == .max }

  mutating func add(_ text: String) {
    var text = text
    // The bits of FNV-1a are mixed, because texts that differ at their end alone differ in its lower bits alone.
    var hash = text.withUTF8 { fnv1a($0) }
    hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
    hash ^= hash >> 32
    if hash >= limit || !hashes.insert(hash).inserted || hashes.count < 2 * capacity { return }
    let smallest = hashes.sorted().prefix(capacity)
    (hashes, limit) = (Set(smallest), smallest.last!)
  }

  /// Different texts.
  var count: Int {
    if isExact { return hashes.count }
    let smallest = hashes.sorted().prefix(capacity)
    return Int(Double(capacity - 1) / (Double(smallest.last!) / 0x1p64))
  }
}
