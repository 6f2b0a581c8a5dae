import Foundation
import Random
import Testing

@testable import Tokenizer

private let captions = [
  "a small red circle above a large blue square", "a large red star", "Café №5: 100 % naïve, isn't it?", "", "🎨 emoji\n\ttabs",
  "a picture of a small blue circle left of a large blue square", "aaaa aaa aa a",
]

private func trained(_ vocabulary: Int = 300, split: PreTokenizer = .published) -> Tokenizer {
  var trainer = BPETrainer(split: split)
  for caption in captions { trainer.add(caption) }
  return trainer.train(vocabulary: vocabulary)
}

/// Training by the definition: all pairs are counted again before each merge.
@Test func trainingMatchesTheDefinition() {
  var words: [[Int]: Int] = [:]
  for caption in captions {
    for word in caption.lowercased().split(whereSeparator: { !("a"..."z").contains(String($0)) }) {
      words[word.utf8.map(Int.init), default: 0] += 1
    }
  }
  var merges: [[Int]] = []
  while merges.count < 60 {
    var pairs: [[Int]: Int] = [:]
    for (word, count) in words { for pair in zip(word, word.dropFirst()) { pairs[[pair.0, pair.1], default: 0] += count } }
    guard
      let best = pairs.max(by: { a, b in
        a.value != b.value ? a.value < b.value : b.key.lexicographicallyPrecedes(a.key)
      })
    else { break }
    let token = 256 + merges.count
    merges.append(best.key)
    var next: [[Int]: Int] = [:]
    for (word, count) in words {
      var joined: [Int] = []
      var i = 0
      while i < word.count {
        let isPair = word[i...].prefix(2).elementsEqual(best.key)
        joined.append(isPair ? token : word[i])
        i += isPair ? 2 : 1
      }
      next[joined, default: 0] += count
    }
    words = next
  }
  let learned = trained(256 + 60).merges.map { [Int($0.left), Int($0.right)] }
  #expect(learned == merges)
  #expect(learned.count > 30)
}

@Test func orderOfCaptionsDoesNotMatter() {
  var other = BPETrainer(split: .published)
  for caption in captions.reversed() { other.add(caption) }
  #expect(other.train(vocabulary: 300).json() == trained().json())
}

@Test func gpt2PiecesTakeTheSpaceBeforeThem() {
  let pieces: [String: [String]] = [
    "": [], "a small, red circle": ["a", " small", ",", " red", " circle"],
    "Don't WE'LL say 'so'": [
      "don", "'t", " we", "'ll", " say", " '", "so", "'",
    ], "two  spaces\n\n a\n": ["two", " ", " spaces", "\n\n", " a", "\n"], "12 км²": ["12", " км", "²"],
    "café №5 日本": ["café", " №", "5", " 日本"], " \t": [" \t"], "a\tb": ["a", "\t", "b"],
  ]
  for (text, expected) in pieces {
    var found: [String] = []
    PreTokenizer.gpt2.forEachPiece(of: text) { found.append(String(decoding: $0, as: UTF8.self)) }
    #expect(found == expected)
  }
  let tokenizer = trained(60_000, split: .gpt2)
  #expect(tokenizer.encode("a small red circle").count == 4)
  for caption in captions { #expect(tokenizer.decode(tokenizer.encode(caption)) == caption.lowercased()) }
}

@Test func decodingGivesTheLowerCaseTextBack() {
  let tokenizer = trained()
  for caption in captions { #expect(tokenizer.decode(tokenizer.encode(caption)) == caption.lowercased()) }
  #expect(tokenizer.encode("a large") != tokenizer.encode("alarge"))
  #expect(tokenizer.encode("12").count == 2)
}

@Test func vocabularyEndsWhenNoPairIsLeft() {
  let tokenizer = trained(60_000)
  #expect(tokenizer.vocabularyCount < 400)
  for word in ["small", "circle", "square", "picture"] { #expect(tokenizer.encode(word).count == 1) }
}

@Test func dropoutVariesTokensButNotText() {
  let tokenizer = trained(60_000)
  let caption = captions[0]
  var random = RandomStream(seed: 1, stream: 1)
  let all = Set((0..<50).map { _ in tokenizer.encode(caption, dropout: 0.3, using: &random) })
  #expect(all.count > 10)
  #expect(all.allSatisfy { tokenizer.decode($0) == caption })
  #expect(tokenizer.encode(caption, dropout: 0, using: &random) == tokenizer.encode(caption))
  #expect(tokenizer.encode(caption, dropout: 1, using: &random) == caption.utf8.map(UInt16.init))
}

@Test func filesAreReadBackAndDamageIsRefused() throws {
  let path = NSTemporaryDirectory() + "tokenizer-\(UUID().uuidString).json"
  defer { try? FileManager.default.removeItem(atPath: path) }
  for split in PreTokenizer.allCases.reversed() {
    let tokenizer = trained(split: split)
    try tokenizer.write(to: path)
    let again = try Tokenizer(contentsOf: path)
    #expect(again.json() == tokenizer.json())
    #expect(again.split == split)
  }
  let text = try String(contentsOfFile: path, encoding: .utf8)
  for (what, with) in [("\"BPE\"", "\"WordPiece\""), ("Lowercase", "NFC"), ("[a-z]+|", ""), ("\"a\" : 97", "\"a\" : 98")] {
    #expect(text.contains(what))
    try text.replacingOccurrences(of: what, with: with).write(toFile: path, atomically: true, encoding: .utf8)
    #expect { try Tokenizer(contentsOf: path) } throws: { "\($0)".hasPrefix(path) }
  }
  #expect { try Tokenizer(contentsOf: path + ".none") } throws: { "\($0)".contains("No such file") }
}

/// Every character's lower case is Unicode's, independent of its context.
@Test func everyCharacterIsLowerCased() {
  let tokenizer = Tokenizer(merges: [], split: .gpt2)
  for value in UInt32(0)..<0x11_0000 {
    guard let scalar = Unicode.Scalar(value) else { continue }
    let expected = scalar.properties.lowercaseMapping.utf8.map(UInt16.init)
    if tokenizer.encode(String(Character(scalar))) != expected { Issue.record("U+\(String(value, radix: 16))") }
  }
}
