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
    commandName: "tokenizer", abstract: "Learns a BPE tokenizer from a dataset's training captions.",
    discussion: "Writes the format of Hugging Face's tokenizers. The same captions give the same file.")

  @Argument(help: "What `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "File to write; RUN/model/tokenizer.json makes it the tokenizer of a run.")
  var out: String

  @Option(help: "Tokens at most, 256 bytes included.")
  var vocabulary = 16_384

  @Option(help: "How captions are cut before merging: published (words of a-z) or gpt2 (words of any script, with their spaces).")
  var split = PreTokenizer.published

  func validate() throws {
    guard (256...65_536).contains(vocabulary) else {
      throw ValidationError("--vocabulary is \(vocabulary); it must lie between 256 and 65536")
    }
  }

  func run() {
    SingleCommand.run {
      let captions = try Dataset(DatasetFolder(dataset))
      let folder = (out as NSString).deletingLastPathComponent
      if !folder.isEmpty { try makeFolder(folder) }
      var trainer = BPETrainer(split: split)
      var meter = ProgressMeter.console()
      for index in 0..<captions.count(.training) {
        for caption in try captions.captions(index, .training) { trainer.add(caption) }
        if index % 1000 == 0 { meter.show("reading captions", index, of: captions.count(.training)) }
      }
      meter.finish()
      let tokenizer = reporting("merging tokens") { trainer.train(vocabulary: vocabulary) }
      try tokenizer.write(to: out)
      print(
        "\(out): \(tokenizer.vocabularyCount.formatted()) tokens from the captions of \(captions.count(.training).formatted()) samples"
      )
    }
  }
}
