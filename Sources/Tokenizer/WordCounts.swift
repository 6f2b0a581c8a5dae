import Random

/// Counts of distinct words.
struct WordCounts {
  /// The words, concatenated.
  private(set) var bytes: [UInt8] = []
  /// Offset of each word in `bytes`, and the end of the last one.
  private(set) var starts = [0]
  private(set) var counts: [Int] = []
  private var hashes: [UInt32] = []
  /// A hash table with open addressing: numbers of words, -1 for an empty slot; at most half are in use.
  private var slots = [Int32](repeating: -1, count: 1024)

  mutating func add(_ word: UnsafeBufferPointer<UInt8>) {
    let hash = UInt32(truncatingIfNeeded: fnv1a(word))
    var slot = Int(hash) & (slots.count - 1)
    while slots[slot] >= 0 {
      let number = Int(slots[slot])
      if hashes[number] == hash, equals(number, word) {
        counts[number] += 1
        return
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(counts.count)
    bytes.append(contentsOf: word)
    starts.append(bytes.count)
    counts.append(1)
    hashes.append(hash)
    if 2 * counts.count > slots.count { grow() }
  }

  private func equals(_ number: Int, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = starts[number]
    guard starts[number + 1] - start == word.count else { return false }
    for index in 0..<word.count where bytes[start + index] != word[index] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: 2 * slots.count)
    for (number, hash) in hashes.enumerated() {
      var slot = Int(hash) & (slots.count - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(number)
    }
  }
}
