/// Learns merges from captions: again and again the most frequent pair of neighbours becomes a token (Sennrich et al. 2015).
///
/// Exactly reproducible: of equally frequent pairs the one with the smaller left token wins, then the smaller right token;
/// the order of captions does not matter.
public struct BPETrainer {
  private var counts: [[UInt8]: Int] = [:]
  private let split: PreTokenizer

  public init(split: PreTokenizer) { self.split = split }

  /// Counts the words of a caption.
  public mutating func add(_ caption: String) {
    split.forEachPiece(of: caption) { piece in
      if piece.count > 1 { counts[Array(piece), default: 0] += 1 }
    }
  }

  /// Learns a vocabulary of at most `vocabulary` tokens, 256 bytes included. It ends earlier when no pair is left.
  public func train(vocabulary: Int) -> Tokenizer {
    precondition((256...65_536).contains(vocabulary), "a vocabulary of \(vocabulary)")
    var words = counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
      (tokens: $0.key.map(UInt16.init), count: $0.value)
    }
    var pairs: [UInt32: Int] = [:]
    var places: [UInt32: Set<Int>] = [:]  // pair to the words that have, or had, it
    for (index, word) in words.enumerated() {
      for (left, right) in zip(word.tokens, word.tokens.dropFirst()) {
        let key = Tokenizer.key(left, right)
        pairs[key, default: 0] += word.count
        places[key, default: []].insert(index)
      }
    }
    var heap = PairHeap(pairs.map { PairHeap.Entry(count: $0.value, pair: $0.key) })
    var merges: [(left: UInt16, right: UInt16)] = []
    while merges.count < vocabulary - 256, let top = heap.pop() {
      // Counts change after an entry was made; an outdated one goes back with today's count.
      let count = pairs[top.pair, default: 0]
      if count != top.count {
        if count > 0 { heap.push(PairHeap.Entry(count: count, pair: top.pair)) }
        continue
      }
      if count == 0 { break }
      let merge = (left: UInt16(top.pair >> 16), right: UInt16(truncatingIfNeeded: top.pair))
      let token = UInt16(256 + merges.count)
      merges.append(merge)
      var touched = Set<UInt32>()
      for index in places[top.pair] ?? [] {
        let word = words[index]
        let tokens = Self.replace(merge, with: token, in: word.tokens)
        if tokens.count == word.tokens.count { continue }
        for (left, right) in zip(word.tokens, word.tokens.dropFirst()) {
          pairs[Tokenizer.key(left, right), default: 0] -= word.count
        }
        for (left, right) in zip(tokens, tokens.dropFirst()) {
          let key = Tokenizer.key(left, right)
          pairs[key, default: 0] += word.count
          if left == token || right == token { places[key, default: []].insert(index) }
          touched.insert(key)
        }
        words[index].tokens = tokens
      }
      pairs[top.pair] = nil
      places[top.pair] = nil
      for key in touched { heap.push(PairHeap.Entry(count: pairs[key]!, pair: key)) }
    }
    return Tokenizer(merges: merges, split: split)
  }

  private static func replace(_ merge: (left: UInt16, right: UInt16), with token: UInt16, in tokens: [UInt16]) -> [UInt16] {
    var result: [UInt16] = []
    var i = 0
    while i < tokens.count {
      if i + 1 < tokens.count && tokens[i] == merge.left && tokens[i + 1] == merge.right {
        result.append(token)
        i += 2
      } else {
        result.append(tokens[i])
        i += 1
      }
    }
    return result
  }
}

/// A binary heap of pairs; the most frequent, and of those the smallest, is on top.
private struct PairHeap {
  struct Entry {
    let count: Int
    let pair: UInt32
    func goesBefore(_ other: Entry) -> Bool { count != other.count ? count > other.count : pair < other.pair }
  }
  private var entries: [Entry] = []

  init(_ entries: [Entry]) {
    for entry in entries { push(entry) }
  }

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0, entries[child].goesBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Entry? {
    guard let top = entries.first else { return nil }
    let last = entries.removeLast()
    if entries.isEmpty { return top }
    entries[0] = last
    var parent = 0
    while true {
      var best = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < entries.count && entries[child].goesBefore(entries[best]) { best = child }
      if best == parent { return top }
      entries.swapAt(parent, best)
      parent = best
    }
  }
}
