import HeapModule
import Tokens

/// Trains BPE on captions: the most frequent pair of adjacent tokens becomes a token, repeatedly (Sennrich et al. 2015).
///
/// Deterministic: of equally frequent pairs the one with the smaller left token comes first, then the one with the smaller right
/// token. The order of captions does not matter.
package struct BPETrainer {
  private var words = WordCounts()
  private let split: PreTokenizer

  package init(split: PreTokenizer) { self.split = split }

  /// Counts the words of a caption.
  package mutating func add(_ caption: String) {
    split.forEachPiece(of: caption) { piece in
      if piece.count > 1 { words.add(piece) }
    }
  }

  /// Trains a tokenizer of at most `vocabulary` tokens, the 256 bytes included; fewer if no pair remains.
  package func train(vocabulary: Int) -> Tokenizer {
    precondition((256...65_536).contains(vocabulary), "a vocabulary of \(vocabulary)")
    var words = MergingWords(words)
    var heap = Heap(words.pairs.indices.map(words.entry))
    var merges: [(left: Token, right: Token)] = []
    while merges.count < vocabulary - 256, let top = heap.popMax() {
      // A count may have fallen since its entry was made; an outdated entry is inserted again with the current count.
      let count = words.pairs[top.number].count
      if count != top.count {
        if count > 0 { heap.insert(words.entry(top.number)) }
        continue
      }
      if count == 0 { break }
      let known = words.pairs.count
      words.merge(top.number, into: Token(256 + merges.count))
      merges.append((left: Token(top.pair >> 16), right: Token(truncatingIfNeeded: top.pair)))
      // Only pairs with the new token have risen.
      for number in known..<words.pairs.count { heap.insert(words.entry(number)) }
    }
    return Tokenizer(merges: merges, split: split)
  }
}

/// Words as tokens, and the pairs of adjacent tokens in them.
private struct MergingWords {
  struct Pair {
    let key: UInt32
    /// How often it occurs.
    var count = 0
    /// Numbers of the words that contain, or contained, it.
    var words: [Int32] = []
  }

  private(set) var pairs: [Pair] = []
  private var numbers = PairTable()
  private var tokens: [Token]
  private var ranges: [Range<Int>]
  private let counts: [Int]

  init(_ words: WordCounts) {
    tokens = words.bytes.map(Token.init)
    ranges = zip(words.starts, words.starts.dropFirst()).map { $0..<$1 }
    counts = words.counts
    for word in ranges.indices {
      for index in ranges[word].dropLast() { add(tokens[index], tokens[index + 1], in: word) }
    }
  }

  func entry(_ number: Int) -> PairEntry {
    PairEntry(count: pairs[number].count, pair: pairs[number].key, number: number)
  }

  /// Replaces a pair with `token`, in all words.
  mutating func merge(_ number: Int, into token: Token) {
    let left = Token(pairs[number].key >> 16)
    let right = Token(truncatingIfNeeded: pairs[number].key)
    let words = pairs[number].words
    pairs[number].words = []
    for word in words { replace(left, right, with: token, in: Int(word)) }
    // No pair is left. Overlapping pairs (a a a) were counted twice.
    pairs[number].count = 0
  }

  private mutating func replace(_ left: Token, _ right: Token, with token: Token, in word: Int) {
    let range = ranges[word]
    var (from, to) = (range.lowerBound, range.lowerBound)
    while from < range.upperBound {
      if tokens[from] == left, from + 1 < range.upperBound, tokens[from + 1] == right {
        if to > range.lowerBound {
          remove(tokens[to - 1], left, in: word)
          add(tokens[to - 1], token, in: word)
        }
        if from + 2 < range.upperBound {
          remove(right, tokens[from + 2], in: word)
          add(token, tokens[from + 2], in: word)
        }
        tokens[to] = token
        from += 2
      } else {
        tokens[to] = tokens[from]
        from += 1
      }
      to += 1
    }
    ranges[word] = range.lowerBound..<to
  }

  private mutating func add(_ left: Token, _ right: Token, in word: Int) {
    let key = PairTable.key(left, right)
    let number = numbers.number(of: key)
    if number == pairs.count { pairs.append(Pair(key: key)) }
    pairs[number].count += counts[word]
    if pairs[number].words.last != Int32(word) { pairs[number].words.append(Int32(word)) }
  }

  private mutating func remove(_ left: Token, _ right: Token, in word: Int) {
    pairs[numbers[PairTable.key(left, right)]!].count -= counts[word]
  }
}

/// A pair with its count when it was inserted into the heap. Ordered by count, then by descending pair.
private struct PairEntry: Comparable {
  let count: Int
  let pair: UInt32
  let number: Int

  static func < (a: PairEntry, b: PairEntry) -> Bool { a.count != b.count ? a.count < b.count : a.pair > b.pair }
}
