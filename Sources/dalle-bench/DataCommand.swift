import ArgumentParser
import Commands
import Files
import Foundation
import Tokenizer

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Measures tokenizer, images and shards, on one thread.",
    discussion:
      "Each number is the median of several repeats, after one that is not counted. Files are read once before, so the disk is not measured."
  )

  @OptionGroup var options: BenchOptions

  @Option(help: "A text file with a caption a line. Default: the program makes some up.")
  var captions: String?

  @Option(help: "Captions to make up.")
  var captionCount = 100_000

  @Option(help: "Tokens of the tokenizers that are trained, 256 bytes included.")
  var vocabulary = 16_384

  @Option(help: "A folder whose .jpg and .png images are decoded, cropped to their middle square and scaled to 256 x 256.")
  var photos: String?

  @Option(help: "Keeps captions and tokenizers in this folder: captions.txt, published.json, gpt2.json.")
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
      try options.print(results, results.map(\.line).joined(separator: "\n"))
    }
  }
}
