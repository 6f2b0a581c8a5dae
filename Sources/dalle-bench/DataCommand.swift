import ArgumentParser
import Commands
import Files
import Foundation
import Tokenizer

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Measures tokenizer, images and shards, on one thread.",
    discussion:
      "Each number is the median of several repeats, after one that is not counted and that reads all files, so the disk is not measured."
  )

  @OptionGroup var options: BenchOptions

  @Option(help: "A text file with one caption per line. Default: random captions.")
  var captions: String?

  @Option(parsing: .unconditional, help: "Number of random captions.")
  var captionCount = 100_000

  @Option(parsing: .unconditional, help: "Vocabulary of the tokenizers that are trained; the 256 bytes count.")
  var vocabulary = 16_384

  @Option(
    help:
      "A folder whose .jpg and .png images are decoded, center-cropped to a square and scaled to 256 x 256. Default: this is not measured."
  )
  var photos: String?

  @Option(help: "Folder for the captions and tokenizers: captions.txt, published.json, gpt2.json. Default: they are not kept.")
  var out: String?

  func validate() throws {
    for (name, value, range) in [
      ("--caption-count", captionCount, 1...10_000_000), ("--vocabulary", vocabulary, 256...65_536),
    ] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  func run() {
    SingleCommand.run {
      let bench = DataBench(repeats: options.repeats)
      let captions = try captions.map(DataCaptions.read) ?? DataCaptions.generated(captionCount)
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
      try options.print(results, results.map(\.line).joined(separator: "\n"))
    }
  }
}
