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
    abstract: "Makes a page about a dataset: counts, what was skipped, distributions, words, codes, samples.",
    discussion: """
      The page is one HTML file that needs no other; the same numbers go into a JSON file beside it. The same dataset, model \
      and seed give the same page.
      """)

  @Argument(help: "What `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "A run's folder, or a folder with a tokenizer or a dVAE: tokens of captions, reconstructions, use of the codebook.")
  var model: String?

  @Option(
    help: "Folder with token shards, whose codes are counted. Default: the shards of the run that --model names, if it has any.")
  var shards: String?

  @Option(help: "Random samples to show.")
  var samples = 36

  @Option(help: "Chooses samples and examples.")
  var seed: UInt64 = 1

  @Option(help: "HTML file to write. Default: report.html in the dataset's folder.")
  var out: String?

  func validate() throws {
    guard (0...1000).contains(samples) else {
      throw ValidationError("--samples is \(samples); it must lie between 0 and 1000")
    }
    if let out, !out.hasSuffix(".html") { throw ValidationError("--out is \(out); it must end in .html") }
  }

  /// What a model's folder has of a tokenizer and a dVAE.
  private struct Model {
    let folder: String
    var tokenizer: Tokenizer?
    var dvae: DVAE?
    var weights: LocalParameters?

    /// - Throws: a folder that has neither, or a damaged one.
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
      let folder = DatasetFolder(URL(fileURLWithPath: dataset).standardizedFileURL.path)
      let source = try Dataset(folder)
      let model = try model.map { try Model($0) }
      let shards = shards ?? shardsOfRun()
      let set = try shards.map { try shardSet($0, model) }
      var line = ProgressMeter.console()

      var report = try DatasetSurvey(source, in: folder, tokenizer: model?.tokenizer, seed: seed).report {
        line.show("reading samples", $0, of: $1)
      }
      if let shards, let set {
        report.codebook = try CodeStatistics(set, in: shards) { line.show("counting codes", $0, of: $1) }
      } else if let dvae = model?.dvae, let weights = model?.weights {
        report.codebook = try CodeStatistics(source, seed: seed, dvae: dvae, weights: weights) {
          line.show("encoding pictures", $0, of: $1)
        }
      }
      let cards = try SampleCard.random(samples, of: source, seed: seed, dvae: model?.dvae, weights: model?.weights) {
        line.show("drawing samples", $0, of: $1)
      }
      line.finish()

      let page = out ?? (dataset as NSString).appendingPathComponent("report.html")
      let numbers = page.dropLast("html".count) + "json"
      try replaceFile(String(numbers), with: JSON.pretty(report))
      try replaceFile(page, with: Data(ReportPage(report, cards: cards).html.utf8))
      print("\(page): \(report.distinct.formatted()) samples to train on, \(cards.count) of them shown; numbers in \(numbers)")
    }
  }

  /// The folder with the shards of the run that is the model, if there are any.
  private func shardsOfRun() -> String? {
    guard let model, FileManager.default.fileExists(atPath: ShardSet.path("\(model)/shards", "train", 0)) else { return nil }
    return "\(model)/shards"
  }

  /// The training shards in a folder; they must be of the model, if there is one.
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
