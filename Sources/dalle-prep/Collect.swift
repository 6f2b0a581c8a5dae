import ArgumentParser
import Commands
import Datasets
import Foundation
import Preparation
import Training

extension Filters.Duplicates: ExpressibleByArgument {}
extension Script: ExpressibleByArgument {}

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Scans, validates and filters the images and captions of sources.",
    discussion: """
      A source is a folder of images with NAME.txt (a caption a line) or NAME.json beside NAME.jpg, a manifest (.jsonl, .csv, \
      .tsv) with named columns, a WebDataset archive (.tar, .tar.gz, .tgz, .tar.zst), or a pattern of those: 'data/{00000..00099}.tar', 'data/*.tar'. \
      What img2dataset writes is such a folder. May be stopped at any time, and started again; works under mpirun.
      """)

  @Argument(help: "Folders, manifests, archives, or patterns of them.")
  var sources: [String]

  @Option(help: "Folder for the dataset.")
  var out: String

  @Option(help: "Sampling weight: how often an epoch repeats each sample; one for each source, in their order. Default: 1.")
  var weight: [Double] = []

  @Option(help: "Column or JSON key of a manifest's images.")
  var imageColumn = "image"

  @Option(help: "Column or JSON key of captions; repeat it for several.")
  var captionColumn = ["caption"]

  @Option(help: "Samples of the validation split, chosen by the images' hashes.")
  var validation = 256

  @Flag(
    help: "Filter as the published system did: --min-characters 5 --letter-share 0.5 --script latin --boilerplate --aspect-ratio 2."
  )
  var published = false

  @Option(help: "Characters of a caption, at least. Default: 1.")
  var minCharacters: Int?

  @Option(help: "Characters of a caption, at most. Default: 10000.")
  var maxCharacters: Int?

  @Option(help: "Share of letters in a caption, at least. Default: 0.")
  var letterShare: Double?

  @Option(help: "Script of most of a caption's letters.")
  var script: Script?

  @Flag(help: "Skip captions that are mostly phrases such as \"photographed on 3 May 2009\" or file names.")
  var boilerplate = false

  @Option(help: "Skip captions in which this regular expression matches; may be repeated.")
  var dropPattern: [String] = []

  @Option(help: "Longer side by shorter side, at most; 0 for any. Default: 0.")
  var aspectRatio: Double?

  @Option(help: "Pixels of the shorter side, at least. Default: 1.")
  var minSide: Int?

  @Option(help: "Pixels of an image, at most. Default: 100000000.")
  var maxPixels: Int?

  @Option(help: "Bytes of an image file, at most. Default: 67108864.")
  var maxBytes: Int?

  @Option(help: "What to do with images that are there several times.")
  var duplicates = Filters.Duplicates.merge

  func validate() throws {
    if !weight.isEmpty, weight.count != sources.count {
      throw ValidationError("--weight is given \(weight.count) times for \(sources.count) sources")
    }
  }

  private var filters: Filters {
    var filters = published ? Filters.published : Filters()
    filters.minimumCharacters = minCharacters ?? filters.minimumCharacters
    filters.maximumCharacters = maxCharacters ?? filters.maximumCharacters
    filters.letterShare = letterShare ?? filters.letterShare
    filters.script = script ?? filters.script
    filters.boilerplate = boilerplate || filters.boilerplate
    filters.patterns = dropPattern
    filters.aspectRatio = aspectRatio ?? filters.aspectRatio
    filters.minimumSide = minSide ?? filters.minimumSide
    filters.maximumPixels = maxPixels ?? filters.maximumPixels
    filters.maximumBytes = maxBytes ?? filters.maximumBytes
    filters.duplicates = duplicates
    return filters
  }

  func run() {
    RankedCommand.withRanks { world, stop in
      let options = DatasetOptions(
        sources: sources.enumerated().map { Source($1, weight: weight.isEmpty ? 1 : weight[$0]) },
        columns: Columns(image: imageColumn, captions: captionColumn), filters: filters, validation: validation)
      let collector = try Collector(DatasetFolder(out), options: options)
      let say = { (line: String) in if world.rank == 0 { print("collect: \(line)") } }
      stop.explain("collect: stopped by a signal; the same command resumes")
      try collector.collect(in: world, stop: stop, log: say)
      let summary = try Dataset(collector.folder).summary
      say("\(out): \(summary.training.formatted()) samples to train on, \(summary.validation.formatted()) held out")
      if summary.repeated > 0 { say("\(summary.repeated.formatted()) of them are repeated by weights") }
      if summary.merged > 0 { say("\(summary.merged.formatted()) duplicates gave their captions to the first of their kind") }
      if let line = summary.copiesLine { say(line) }
      summary.omissions.forEach(say)
      if !summary.omissions.isEmpty { say("each is listed in \(collector.folder.skipped)") }
    }
  }
}
