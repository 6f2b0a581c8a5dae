import Foundation
import Models
import Random
import Shards
import Testing

@testable import Reports

@Suite struct CountingTests {
  /// Numbers as captions and images have them: most near 30, a few far away.
  private func numbers(_ count: Int, stream: UInt64) -> [Int] {
    var random = RandomStream(seed: 7, stream: stream)
    return (0..<count).map { index in
      let usual = 1 + random.integer(in: 0..<30) + random.integer(in: 0..<30)
      return index % 300 == 7 ? 40 * usual : usual
    }
  }

  private func tally(_ numbers: [Int]) -> Tally {
    var tally = Tally()
    for number in numbers { tally.add(number) }
    return tally
  }

  @Test func figuresAreThoseOfTheSortedNumbers() throws {
    for count in [1, 2, 99, 100, 101, 5000] {
      let numbers = numbers(count, stream: UInt64(count))
      let sorted = numbers.sorted()
      let histogram = try #require(Histogram.linear(tally(numbers)))
      func rank(_ share: Double) -> Double { Double(sorted[max(0, Int((share * Double(count)).rounded(.up)) - 1)]) }
      #expect(histogram.count == count)
      #expect(histogram.minimum == Double(sorted[0]) && histogram.maximum == Double(sorted[count - 1]))
      #expect(histogram.median == rank(0.5) && histogram.ninetyNinth == rank(0.99))
      #expect(abs(histogram.mean - Double(numbers.reduce(0, +)) / Double(count)) < 1e-9)
    }
    #expect(Histogram.linear(Tally()) == nil && Histogram.octaves(Tally()) == nil && Histogram.ratios(Tally()) == nil)
  }

  @Test func everyNumberIsInItsBar() throws {
    let cases = [numbers(3000, stream: 1), [5], [1000, 1003], [1, 1, 1, 2], Array(0...400), [32, 32, 64, 500], [7, 1_000_000]]
    for numbers in cases {
      for histogram in [
        try #require(Histogram.linear(tally(numbers))), try #require(Histogram.octaves(tally(numbers.map { max(1, $0) }))),
      ] {
        let values = histogram.scale == .octaves ? numbers.map { max(1, $0) } : numbers
        let bars = histogram.bars
        for (bar, next) in zip(bars, bars.dropFirst()) { #expect(bar.to == next.from) }
        for bar in bars {
          let inside = values.filter { value in Double(value) >= bar.from && Double(value) < bar.to ?? .infinity }
          #expect(bar.count == inside.count)
        }
        #expect(bars.reduce(0) { $0 + $1.count } == values.count)
        if histogram.scale == .linear { #expect(bars.count <= 33) }
      }
    }
    // A few that lie far away are one bar, and leave the others to be seen.
    let linear = try #require(Histogram.linear(tally(numbers(3000, stream: 2))))
    #expect(linear.bars.last?.to == nil && linear.bars.last!.from < 100)
  }

  @Test func ratiosAreAlikeOnBothSides() throws {
    var tally = Tally()
    for (width, height) in [(100, 100), (103, 100), (200, 100), (100, 200), (100, 1000), (1000, 100), (300, 100)] {
      tally.add(Histogram.ratioStep(width: width, height: height))
    }
    let histogram = try #require(Histogram.ratios(tally))
    let bars = histogram.bars
    #expect(bars.count == 33 && bars.reduce(0) { $0 + $1.count } == 7)
    #expect(bars[16].count == 2 && bars[24].count == 1 && bars[8].count == 1 && bars[0].count == 1 && bars[32].count == 1)
    // In steps of 1/64 octave, so within 0.6 %.
    #expect(abs(histogram.minimum - 0.1) < 0.001 && abs(histogram.maximum - 10) < 0.06 && abs(histogram.median - 1.03) < 0.006)
  }

  @Test func wordsAreCountedWithinTheirError() {
    var (bounded, exact) = (WordCounter(capacity: 50), WordCounter())
    var truth: [String: Int] = [:]
    var random = RandomStream(seed: 3, stream: 1)
    var most = 0
    for _ in 0..<20_000 {
      // The word of rank r comes about once in r: as in languages.
      let word = "w\(Int(pow(2000, Double(random.uniform()))))"
      truth[word, default: 0] += 1
      bounded.add(word)
      exact.add(word)
      most = max(most, bounded.count)
    }
    #expect(truth.count > 1000 && most < 100)
    #expect(bounded.total == 20_000 && bounded.error > 0 && bounded.error <= 20_000 / 50)
    let held = Dictionary(uniqueKeysWithValues: bounded.top(100).map { ($0.word, $0.count) })
    for (word, count) in truth {
      let counted = held[word] ?? 0
      #expect(counted <= count && count <= counted + bounded.error, "\(word): \(counted), in truth \(count)")
    }
    #expect(exact.error == 0 && exact.count == truth.count)
    let best = truth.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(20)
    #expect(exact.top(20).map(\.word) == best.map(\.key) && exact.top(20).map(\.count) == best.map(\.value))
  }

  @Test func wordsOfManyScripts() {
    func words(_ text: String) -> [String] {
      var words: [String] = []
      WordCounter.forEachWord(of: text) { words.append($0) }
      return words
    }
    #expect(words("A dog's 'tail', 2 DOGS' tails: rock’n’roll!") == ["a", "dog's", "tail", "2", "dogs", "tails", "rock'n'roll"])
    #expect(words("Кот и çédille; naïve") == ["кот", "и", "çédille", "naïve"])
    #expect(words("काली बिल्ली") == ["काली", "बिल्ली"])
    #expect(words("黑猫 cat") == ["黑", "猫", "cat"])
    #expect(words("❤️ 👩‍👩‍👧 <b>&amp;") == ["b", "amp"])
    #expect(words(String(repeating: "x", count: 10_000)) == [String(repeating: "x", count: 40)])
    #expect(words("' '' ’").isEmpty)
  }

  @Test func statisticsOfCodes() throws {
    func statistics(_ counts: [Int]) -> CodeStatistics {
      var usage = CodebookUsage(vocabulary: counts.count)
      usage.add(counts)
      return CodeStatistics(usage, images: 1, shards: nil)
    }
    let even = statistics([Int](repeating: 3, count: 16))
    #expect(even.used == 16 && abs(even.perplexity - 16) < 1e-9 && even.tokens == 48)
    #expect(even.curve.map(\.rank) == Array(1...16))
    let one = statistics([0, 9, 0])
    #expect(one.used == 1 && one.perplexity == 1 && one.curve == [.init(rank: 1, share: 1)])
    let many = statistics((0..<5000).map { $0 % 10 == 0 ? 0 : $0 })
    #expect(many.used == 4500 && many.curve.count <= 160)
    #expect(many.curve.first?.rank == 1 && many.curve.last?.rank == 4500)
    #expect(many.curve.first?.share == 4999 / Double(many.tokens) && many.curve.last?.share == 1 / Double(many.tokens))
    for (point, next) in zip(many.curve, many.curve.dropFirst()) { #expect(point.rank < next.rank && point.share >= next.share) }
  }

  @Test func codesInShards() throws {
    let folder = NSTemporaryDirectory() + "shards-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let header = ShardHeader(
      textLength: 4, grid: 3, textVocabulary: 300, imageVocabulary: 20, frameSamples: 4, tokenizer: "t", dvae: "d")
    var counts = [Int](repeating: 0, count: 20)
    for shard in 0..<2 {
      let writer = ShardWriter(ShardSet.path(folder, "train", shard), header: header)
      for sample in 0..<10 {
        let codes = (0..<9).map { UInt16((sample * $0 + shard) % 15) }
        for code in codes { counts[Int(code)] += 1 }
        try writer.append(TokenSample(texts: [[1]], image: codes))
      }
      try writer.finish()
    }
    var last = (0, 0)
    let found = try CodeStatistics(ShardSet(folder, "train"), in: folder) { last = ($0, $1) }
    var usage = CodebookUsage(vocabulary: 20)
    usage.add(counts)
    #expect(found == CodeStatistics(usage, images: 20, shards: folder))
    #expect(last == (20, 20) && found.tokens == 180)
  }
}
