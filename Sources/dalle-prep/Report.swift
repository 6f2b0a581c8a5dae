import ArgumentParser
import Commands
import Datasets
import Files
import Foundation
import Generation
import Kernels
import Layers
import Models
import Monitoring
import Preparation
import Reports
import Shards
import Tokenizer

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a report of a dataset: counts, skipped samples, distributions, words, codes, examples.",
    discussion: """
      The report is one self-contained HTML file, with the same numbers in a JSON file beside it. The same dataset, model \
      and seed give the same report.
      """)

  @Argument(help: "Folder of a dataset that `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "A run's folder, or a folder with a tokenizer or a dVAE: adds tokens per caption, reconstructions, codebook usage.")
  var model: String?

  @Option(
    help: "Folder of token shards whose codes are counted. Default: the shards of the run that --model names, if it has any.")
  var shards: String?

  @Option(parsing: .unconditional, help: "Number of random samples to show.")
  var samples = 36

  @Option(parsing: .unconditional, help: "Random seed of samples and examples.")
  var seed: UInt64 = 1

  @Option(help: "HTML file to write. Default: report.html in the dataset's folder.")
  var out: String?

  func validate() throws {
    guard (0...1000).contains(samples) else {
      throw ValidationError("--samples is \(samples); choose a number from 0 to 1000")
    }
    if let out, !out.hasSuffix(".html") { throw ValidationError("--out is \(out); choose a name that ends in .html") }
  }

  /// The tokenizer and the dVAE of a model's folder, which may lack one of them.
  private struct Model {
    let folder: String
    var tokenizer: Tokenizer?
    var dvae: DVAE?
    var weights: LocalParameters?

    /// - Throws: `DalleError` if the folder has neither, or a damaged one.
    init(_ path: String) throws {
      folder = ModelBundle.folder(path)
      func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
      let hasDVAE = has(ModelBundle.File.dvaeWeights)
      if has(ModelBundle.File.tokenizer) || !hasDVAE { tokenizer = try ModelBundle.tokenizer(in: folder) }
      if hasDVAE {
        let dvae = try ModelBundle.dvae(in: folder, .fastest)
        (self.dvae, weights) = (try DVAE(dvae.config, batch: 8, mode: .inference, precision: .fastest), dvae.weights)
      }
    }
  }

  func run() {
    SingleCommand.run {
      setThreads(UsableCores().count)
      let folder = DatasetFolder(URL(fileURLWithPath: self.dataset).standardizedFileURL.path)
      let dataset = try Dataset(folder)
      let model = try model.map { try Model($0) }
      let shards = shards ?? shardsOfRun()
      let set = try shards.map { try shardSet($0, model) }
      var line = ProgressMeter.console()

      var report = try DatasetSurvey(dataset, in: folder, tokenizer: model?.tokenizer, seed: seed).report {
        line.show("reading samples", $0, of: $1)
      }
      if let shards, let set {
        report.codebook = try CodeStatistics(set, in: shards) { line.show("counting codes", $0, of: $1) }
      } else if let dvae = model?.dvae, let weights = model?.weights {
        report.codebook = try CodeStatistics(dataset, seed: seed, dvae: dvae, weights: weights) {
          line.show("encoding images", $0, of: $1)
        }
      }
      let cards = try SampleCard.random(samples, of: dataset, seed: seed, dvae: model?.dvae, weights: model?.weights) {
        line.show("preparing samples", $0, of: $1)
      }
      line.finish()

      let page = out ?? (self.dataset as NSString).appendingPathComponent("report.html")
      let numbers = page.dropLast("html".count) + "json"
      try replaceFile(String(numbers), with: JSON.pretty(report))
      try replaceFile(page, with: Data(ReportPage(report, cards: cards).html.utf8))
      print(
        "\(page): \(report.distinct.formatted()) distinct training samples, \(cards.count) of them shown; numbers in \(numbers)")
    }
  }

  /// The folder of the shards of the run that `--model` names; nil if it has none.
  private func shardsOfRun() -> String? {
    guard let model, FileManager.default.fileExists(atPath: ShardSet.path("\(model)/shards", "train", 0)) else { return nil }
    return "\(model)/shards"
  }

  /// The training shards in a folder; if there is a model, they must have been encoded with it.
  private func shardSet(_ folder: String, _ model: Model?) throws -> ShardSet {
    let set = try ShardSet(folder, "train")
    if let model, let tokenizer = model.tokenizer, let dvae = model.dvae {
      try set.shards[0].check(
        ShardHeader(
          modelFolder: model.folder, tokenizer: tokenizer, dvae: dvae.config, textLength: set.header.textLength,
          frameSamples: set.header.frameSamples))
    }
    return set
  }
}
