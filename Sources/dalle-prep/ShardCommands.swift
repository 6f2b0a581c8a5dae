import ArgumentParser
import Commands
import Errors
import Foundation
import Generation
import Images
import Kernels
import Models
import Monitoring
import Shards

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Prints header, counts and first samples of token shards.")

  @Argument(help: "Shards.")
  var shards: [String]

  @Option(help: "A run's folder, or a folder with its tokenizer, to decode the captions.")
  var model: String?

  @Option(parsing: .unconditional, help: "Samples to print per shard.")
  var samples = 3

  func validate() throws {
    if samples < 0 { throw ValidationError("--samples is \(samples); it must be at least 0") }
  }

  func run() {
    SingleCommand.run {
      let tokenizer = try model.map { try TokenBundle($0).tokenizer }
      for path in shards {
        let shard = try ShardReader(path)
        let header = shard.header
        print(
          """
          \(path)
            samples          \(header.samples) in \(shard.frameCount) frames of \(header.frameSamples)
            images           \(header.grid) x \(header.grid) tokens of \(header.imageVocabulary)
            captions         at most \(header.textLength) tokens of \(header.textVocabulary)
            tokenizer        SHA-256 \(header.tokenizer)
            dVAE             SHA-256 \(header.dvae)
          """)
        var number = 0
        for frame in 0..<shard.frameCount where number < samples {
          for sample in try shard.frame(frame).samples.prefix(samples - number) {
            let texts = sample.texts.map { text in tokenizer.map { "\"\($0.decode(text))\"" } ?? "\(text)" }
            let codes = sample.image.prefix(8).map(String.init).joined(separator: " ")
            print("  \(number): \(texts.joined(separator: ", ")), image \(codes) ...")
            number += 1
          }
        }
      }
    }
  }
}

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks token shards: checksums, sizes, counts, token ranges.",
    discussion: "Prints every damaged shard with its first damaged frame, and exits with 65 if there is one.")

  @Argument(help: "Shards.")
  var shards: [String]

  @Option(help: "A run's folder, or a folder with the tokenizer and dVAE that the shards must have been encoded with.")
  var model: String?

  func run() {
    SingleCommand.run {
      let bundle = try model.map { try TokenBundle($0) }
      var (bad, samples) = (0, 0)
      for path in shards {
        do {
          let shard = try ShardReader(path)
          if let bundle {
            try shard.check(
              ShardHeader(
                modelFolder: bundle.folder, tokenizer: bundle.tokenizer, dvae: bundle.dvae, textLength: shard.header.textLength,
                frameSamples: shard.header.frameSamples))
          }
          for frame in 0..<shard.frameCount { _ = try shard.frame(frame) }
          samples += shard.header.samples
        } catch {
          print("bad   \(error)")
          bad += 1
          continue
        }
        print("ok    \(path)")
      }
      print("\(shards.count - bad) of \(shards.count) shards are good (\(samples.formatted()) samples)")
      if bad > 0 {
        throw DalleError(.data, "\(bad) \(bad == 1 ? "shard is" : "shards are") bad; remove them and encode the dataset again")
      }
    }
  }
}

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Decodes a sample of a token shard: its image with the dVAE, its captions with the tokenizer.")

  @Argument(help: "A shard.")
  var shard: String

  @Argument(help: "Number of the sample, from 0.")
  var index: Int

  @Option(help: "A run's folder, or a folder with its tokenizer and dVAE.")
  var model: String

  @Option(help: "PNG file to write.")
  var out = "sample.png"

  func run() {
    SingleCommand.run {
      setThreads(UsableCores().count)
      let reader = try ShardReader(shard)
      let bundle = try TokenBundle(model)
      try reader.check(
        ShardHeader(
          modelFolder: bundle.folder, tokenizer: bundle.tokenizer, dvae: bundle.dvae, textLength: reader.header.textLength,
          frameSamples: reader.header.frameSamples))
      guard (0..<reader.header.samples).contains(index) else {
        throw DalleError(
          .usage,
          "\(shard): has no sample \(index) (it has \(reader.header.samples) samples, numbered from 0); choose one of them"
        )
      }
      let sample = try reader.frame(index / reader.header.frameSamples).samples[index % reader.header.frameSamples]
      let captions = sample.texts.map(bundle.tokenizer.decode)
      let image = try DVAE(bundle.dvae, batch: 1, mode: .inference, precision: bundle.precision).decode(
        sample.image, bundle.dvaeWeights)
      try ImageGrid.compose([.init(caption: captions.joined(separator: " | "), images: image)]).write(to: out)
      print("\(out): \(captions.map { "\"\($0)\"" }.joined(separator: ", "))")
    }
  }
}
