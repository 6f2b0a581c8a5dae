import Datasets

/// What the captions are, each counted as often as it occurs.
package struct CaptionStatistics: Codable, Equatable, Sendable {
  package struct Frequency: Codable, Equatable, Sendable {
    package var text: String
    package var count: Int
  }

  package var total = 0
  /// Different captions; estimated to about 1 % if `differentIsExact` is false.
  package var different = 0
  package var differentIsExact = true
  /// The most frequent ones that occur more than once.
  package var top: [Frequency] = []
  /// Captions by the script that most of their letters have; `other` for further scripts, `none` for captions without letters.
  package var scripts: [Frequency] = []
  /// Captions with entities or tags of HTML that the collection left as they are.
  package var withMarkup = 0
}

/// Counts captions in bounded memory.
struct CaptionCounter {
  private var frequencies = WordCounter()
  private var distinct = DistinctCounter()
  private var scripts: [String: Int] = [:]
  private var withMarkup = 0

  private static let top = 12

  mutating func add(_ caption: String) {
    frequencies.add(caption)
    distinct.add(caption)
    scripts[Self.script(of: caption), default: 0] += 1
    if Self.hasMarkup(caption) { withMarkup += 1 }
  }

  var statistics: CaptionStatistics {
    var statistics = CaptionStatistics()
    statistics.total = frequencies.total
    (statistics.different, statistics.differentIsExact) = (min(distinct.count, frequencies.total), distinct.isExact)
    statistics.top = frequencies.top(Self.top).filter { $0.count > 1 }.map { .init(text: $0.word, count: $0.count) }
    statistics.scripts = scripts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { .init(text: $0.key, count: $0.value) }
    statistics.withMarkup = withMarkup
    return statistics
  }

  private static func script(of caption: String) -> String {
    var counts = [Int](repeating: 0, count: Script.allCases.count + 1)
    for scalar in caption.unicodeScalars where scalar.properties.isAlphabetic {
      // Most letters are Latin, and Latin comes first.
      counts[Script.allCases.firstIndex { $0.contains(scalar) } ?? Script.allCases.count] += 1
    }
    guard let most = counts.max(), most > 0 else { return "none" }
    let index = counts.firstIndex(of: most)!
    return index < Script.allCases.count ? Script.allCases[index].rawValue : "other"
  }

  /// Something like `&name;`, `<name>` or `</name`.
  private static func hasMarkup(_ caption: String) -> Bool {
    let bytes = Array(caption.utf8)
    func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
    for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "&") || byte == UInt8(ascii: "<") {
      var end = index + 1
      if end < bytes.count, bytes[end] == UInt8(ascii: "#") || bytes[end] == UInt8(ascii: "/") { end += 1 }
      let first = end
      while end < bytes.count, isLetter(bytes[end]) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[end]) { end += 1 }
      if end > first, end < bytes.count, bytes[end] == (byte == UInt8(ascii: "&") ? UInt8(ascii: ";") : UInt8(ascii: ">")) {
        return true
      }
    }
    return false
  }
}
