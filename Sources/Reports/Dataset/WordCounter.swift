/// Counts words in bounded memory: when there are too many, all counts are lowered by as much as removes the rarest half
/// (Misra and Gries 1982, in the form of Agarwal et al., "Mergeable summaries", 2012). Exact until then.
struct WordCounter {
  /// Words that remain after a reduction; at most twice as many are counted at a time.
  private let capacity: Int
  private var counts: [String: Int] = [:]
  /// All words, also those that are no longer counted separately.
  private(set) var total = 0
  /// Largest difference by which a count may be too low: at most total / capacity.
  private(set) var error = 0

  /// Scalars of a word that count; the rest is ignored.
  private static let longest = 40

  init(capacity: Int = 100_000) { self.capacity = capacity }

  /// Words that are counted at present.
  var count: Int { counts.count }

  mutating func add(captions: [String]) {
    for caption in captions { Self.forEachWord(of: caption) { add($0) } }
  }

  mutating func add(_ word: String) {
    total += 1
    counts[word, default: 0] += 1
    if counts.count >= 2 * capacity { lower() }
  }

  private mutating func lower() {
    let cut = counts.values.sorted(by: >)[capacity]
    error += cut
    counts = counts.compactMapValues { $0 > cut ? $0 - cut : nil }
  }

  /// The most frequent words; of those as frequent, in the order of their characters.
  func top(_ number: Int) -> [(word: String, count: Int)] {
    counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(number).map { ($0.key, $0.value) }
  }

  /// Calls `body` with each word in lower case: a run of letters, marks, digits and apostrophes between them. An ideograph is
  /// a word by itself, as no spaces part those.
  static func forEachWord(of text: String, _ body: (String) -> Void) {
    var word = String.UnicodeScalarView()
    var length = 0
    var apostrophe: Unicode.Scalar?
    func end() {
      if length > 0 { body(String(word)) }
      word = String.UnicodeScalarView()
      (length, apostrophe) = (0, nil)
    }
    for scalar in text.lowercased().unicodeScalars {
      if scalar.properties.isIdeographic {
        end()
        body(String(scalar))
      } else if isPartOfWord(scalar) {
        if let sign = apostrophe, length < longest { word.append(sign) }
        apostrophe = nil
        if length < longest { word.append(scalar) }
        length += 1
      } else if length > 0, apostrophe == nil, scalar == "'" || scalar == "’" {
        apostrophe = "'"
      } else {
        end()
      }
    }
    end()
  }

  private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar) }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark,
      .decimalNumber, .letterNumber, .otherNumber:
      // Selectors of a sign's form, which follow emoji.
      return !("\u{FE00}"..."\u{FE0F}").contains(scalar)
    default: return false
    }
  }
}
