import ArgumentParser
import Commands
import Datasets
import Files
import Generation
import Kernels
import Models
import Monitoring
import Preparation
import Shards
import Training

struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Encodes a dataset as token shards, with a trained tokenizer and dVAE.",
    discussion: """
      Under mpirun the ranks share the work. The same command resumes where an earlier one was stopped or killed, and gives the \
      same bytes for any number of ranks. Images that cannot be read are skipped and listed in skipped.jsonl.
      """)

  @Argument(help: "Folder of a dataset that `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "A run's folder, or a folder with its tokenizer.json, dvae.json and dvae.safetensors.")
  var model: String

  @Option(help: "Output folder of the shards; RUN/shards makes them the shards of a run.")
  var out: String

  @Option(
    parsing: .unconditional,
    help: "Text context in tokens; longer captions are truncated. 0 takes what the longest caption needs and a quarter more.")
  var textLength = 0

  @Option(parsing: .unconditional, help: "Samples per shard file.")
  var shardSamples = 2048

  @Option(parsing: .unconditional, help: "Samples per independently compressed frame of a shard; at most --shard-samples.")
  var frameSamples = 128

  @Option(parsing: .unconditional, help: "Random seed of the crops.")
  var seed: UInt64 = 1

  func validate() throws {
    for (name, value, range) in [
      ("--text-length", textLength, 0...4096), ("--shard-samples", shardSamples, 1...1_000_000),
      ("--frame-samples", frameSamples, 1...max(1, shardSamples)),
    ] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); choose a number from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  func run() {
    RankedCommand.withRanks { world, stop in
      let threads = try UsableCores().share(among: world.splitByMemory())
      setThreads(threads)
      let data = try Dataset(DatasetFolder(dataset))
      let bundle = try TokenBundle(model, Precision.fastest.common(in: world))
      let log = { (line: String) in if world.rank == 0 { print("encode: \(line)") } }
      let textLength = try CaptionTokens.textLength(textLength, data, bundle.tokenizer, in: world, log: log)
      let dvae = try DVAE(bundle.dvae, batch: 32, mode: .inference, precision: bundle.precision)
      let encoder = ShardEncoder(
        data, tokenizer: bundle.tokenizer, dvae: dvae, weights: bundle.dvaeWeights,
        header: try ShardHeader(
          modelFolder: bundle.folder, tokenizer: bundle.tokenizer, dvae: bundle.dvae, textLength: textLength,
          frameSamples: frameSamples),
        shardSamples: shardSamples, seed: seed, folder: out)
      if world.rank == 0 { try makeFolder(out) }
      stop.explain("encode: stopped by a signal; the same command resumes")
      try encoder.encode(in: world, stop: stop, log: log)
    }
  }
}
