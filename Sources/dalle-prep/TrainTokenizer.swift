import ArgumentParser
import Commands
import Datasets
import Files
import Foundation
import Monitoring
import Tokenizer

extension PreTokenizer: ExpressibleByArgument {}

struct TrainTokenizer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Trains a BPE tokenizer on a dataset's training captions.",
    discussion: "The file has the format of Hugging Face's tokenizers. The same captions give the same file.")

  @Argument(help: "Folder of a dataset that `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "Output file; RUN/model/tokenizer.json makes it the tokenizer of a run.")
  var out: String

  @Option(parsing: .unconditional, help: "Most tokens, the 256 bytes included.")
  var vocabulary = 16_384

  @Option(
    help: "How captions are split before merging: published (words of a-z) or gpt2 (words of any script, with the space before).")
  var split = PreTokenizer.published

  func validate() throws {
    guard (256...65_536).contains(vocabulary) else {
      throw ValidationError("--vocabulary is \(vocabulary); choose a number from 256 to 65536")
    }
  }

  func run() {
    SingleCommand.run {
      let data = try Dataset(DatasetFolder(dataset))
      let folder = (out as NSString).deletingLastPathComponent
      if !folder.isEmpty { try makeFolder(folder) }
      var trainer = BPETrainer(split: split)
      var meter = ProgressMeter.console()
      for index in 0..<data.count(.training) {
        for caption in try data.captions(index, .training) { trainer.add(caption) }
        if index % 1000 == 0 { meter.show("reading captions", index, of: data.count(.training)) }
      }
      meter.finish()
      let tokenizer = reporting("merging tokens") { trainer.train(vocabulary: vocabulary) }
      try tokenizer.write(to: out)
      print(
        "\(out): \(tokenizer.vocabularyCount.formatted()) tokens from the captions of \(data.count(.training).formatted()) samples"
      )
    }
  }
}
