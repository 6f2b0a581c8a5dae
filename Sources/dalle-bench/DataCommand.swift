import ArgumentParser
import Doors
import Files
import Foundation
import Tokenizer

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Measures tokenizer, pictures and shards, on one thread.",
    discussion: "Each number is the median of several repeats, after one that is not counted. Files are read once before, so the disk is not measured.")

  @Option(help: "A text file with a caption a line. Default: the program makes some up.")
  var captions: String?

  @Option(help: "Captions to make up.")
  var captionCount = 100_000

  @Option(help: "Tokens of the tokenizers that are trained, 256 bytes included.")
  var vocabulary = 16_384

  @Option(help: "A folder whose .jpg and .png pictures are decoded, cropped to their middle square and scaled to 256 x 256.")
  var photos: String?

  @Option(help: "Repeats of each measurement.")
  var repeats = 5

  @Option(help: "Keeps captions and tokenizers in this folder: captions.txt, published.json, gpt2.json.")
  var out: String?

  @Flag(help: "Prints JSON.")
  var json = false

  func validate() throws {
    for (name, value, range) in [
      ("--caption-count", captionCount, 1...10_000_000), ("--vocabulary", vocabulary, 256...65_536), ("--repeats", repeats, 1...1000),
    ] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  func run() {
    do {
      let bench = DataBench(repeats: repeats)
      let captions = try captions.map(DataCaptions.read) ?? DataCaptions.made(captionCount)
      if let out {
        try makeFolder(out)
        try replaceFile("\(out)/captions.txt", with: Data(captions.map { $0 + "\n" }.joined().utf8))
      }
      var results: [DataResult] = []
      for split in PreTokenizer.allCases {
        let (tokenizer, measured) = try bench.tokenizer(captions, split, vocabulary: vocabulary)
        if let out { try tokenizer.write(to: "\(out)/\(split.rawValue).json") }
        results += measured
      }
      if let photos { results.append(try bench.photos(photos)) }
      results += try bench.shards()
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(results), as: UTF8.self))
      } else {
        results.forEach { print($0.line) }
      }
    } catch { Failure.end(error) }
  }
}
