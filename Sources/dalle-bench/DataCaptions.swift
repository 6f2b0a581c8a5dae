import Errors
import Files
import Foundation
import Random

enum DataCaptions {
  /// The lines of a text file that are not empty.
  static func read(_ path: String) throws -> [String] {
    guard let text = String(validating: try readFile(path), as: UTF8.self) else {
      throw DalleError(.data, "\(path): is not UTF-8; name a text file")
    }
    let captions = text.split(whereSeparator: \.isNewline).map(String.init)
    guard !captions.isEmpty else { throw DalleError(.data, "\(path): has no caption; name a file with one per line") }
    return captions
  }

  /// Captions of 4 to 20 words out of 50,000, the word of rank r about as often as 1/r (Zipf), with capitals, numbers,
  /// punctuation and now and then a letter beyond ASCII: as many different words and tokens as a real collection.
  static func generated(_ count: Int) -> [String] {
    var random = RandomStream(seed: 1, stream: 0)
    let words = (0..<50_000).map { _ in word(&random) }
    return (0..<count).map { _ in
      var caption = ""
      for index in 0..<random.integer(in: 4..<21) {
        if index > 0 { caption += random.integer(in: 0..<12) == 0 ? ", " : " " }
        let rank = Int(exp(Double(random.uniform()) * log(Double(words.count))))
        let next = random.integer(in: 0..<25) == 0 ? "\(random.integer(in: 1..<2000))" : words[min(rank, words.count - 1)]
        caption += index == 0 ? next.capitalized : next
      }
      return caption + [".", "", "!", ""][random.integer(in: 0..<4)]
    }
  }

  private static func word(_ random: inout RandomStream) -> String {
    let starts = ["b", "br", "c", "ch", "d", "f", "g", "gr", "h", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "w"]
    let middles = ["a", "e", "i", "o", "u", "ea", "oo", "ai", "é"]
    let ends = ["", "n", "r", "s", "t", "ng", "ck", "ll"]
    return (0..<random.integer(in: 1..<5)).map { _ in
      starts[random.integer(in: 0..<starts.count)] + middles[random.integer(in: 0..<random.integer(in: 1..<middles.count + 1))]
        + ends[random.integer(in: 0..<ends.count)]
    }.joined()
  }
}
