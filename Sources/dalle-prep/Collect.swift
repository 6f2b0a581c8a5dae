import ArgumentParser
import Commands
import Datasets
import Errors
import Foundation
import Preparation
import Training

extension Filters.Duplicates: ExpressibleByArgument {}
extension Script: ExpressibleByArgument {}
extension CaptionForm: ExpressibleByArgument {}

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Collects a dataset: scans sources, validates and filters their images and captions.",
    discussion: """
      A source is a folder of images with NAME.txt (one caption per line), NAME.caption or NAME.json beside NAME.jpg, or with \
      metadata.jsonl or metadata.csv; a manifest (.jsonl, .csv, .tsv, .json) with named columns; a WebDataset archive (.tar, \
      .tar.gz, .tgz, .tar.zst); or a pattern of those: 'data/{00000..00099}.tar', 'data/*.tar'. The output of img2dataset is such a \
      folder. A source may have settings of its own: 'list.csv,image=file,caption=title,repeat=4'. Under mpirun the ranks share \
      the work. The same command resumes where an earlier one stopped; for a finished dataset it says what has changed in the \
      sources since.
      """)

  @Argument(
    help: ArgumentHelp(
      "Folders, manifests, archives, or patterns of them, each with settings: SOURCE,image=NAME,caption=NAME,repeat=NUMBER. With --update, sources to add; none with --relocate."
    ))
  var sources: [String] = []

  @Option(help: "Output folder of the dataset.")
  var out: String

  @Flag(
    help:
      "Take in what has changed in the sources of the dataset in --out, and sources that are named; unchanged files are not read again."
  )
  var update = false

  @Option(
    help: ArgumentHelp(
      "With --update: a source of the dataset in --out that it does without from now on; may be given several times.",
      valueName: "source"))
  var remove: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Images of the dataset in --out have moved: paths that begin with OLD begin with NEW.", valueName: "OLD NEW"))
  var relocate: [String] = []

  @Option(
    name: .customLong("repeat"), parsing: .unconditionalSingleValue,
    help: "How often an epoch has each sample of a source, e.g. 4 or 0.5; once per source, in their order. Default: 1.")
  var repeats: [Double] = []

  @Option(help: "Column or JSON key of a manifest's images. Default: the first of image, file_name, path and others that exists.")
  var imageColumn: String?

  @Option(
    help: """
      Column or JSON key of captions; may be given several times. Default: the first of caption, text, prompt and others that \
      exists.
      """)
  var captionColumn: [String] = []

  @Option(help: "Text files beside images: line takes each line as a caption, file the whole file as one.")
  var captions = CaptionForm.line

  @Option(parsing: .unconditional, help: "Samples of the validation split, chosen by the images' hashes; at most half of all.")
  var validation = 256

  @Flag(
    help: "Filter as the published system did: --min-characters 5 --letter-share 0.5 --script latin --boilerplate --aspect-ratio 2."
  )
  var published = false

  @Option(parsing: .unconditional, help: "Fewest characters of a caption. Default: 1.")
  var minCharacters: Int?

  @Option(parsing: .unconditional, help: "Most characters of a caption. Default: 10000.")
  var maxCharacters: Int?

  @Option(parsing: .unconditional, help: "Smallest share of letters in a caption, 0 to 1. Default: 0.")
  var letterShare: Double?

  @Option(help: "Script that at least four fifths of a caption's letters must have. Default: any.")
  var script: Script?

  @Flag(help: "Skip captions that are mostly phrases such as \"photographed on 3 May 2009\" or file names.")
  var boilerplate = false

  @Option(help: "Skip captions that match this regular expression; may be given several times.")
  var dropPattern: [String] = []

  @Option(parsing: .unconditional, help: "Largest ratio of an image's longer side to its shorter; 0 for any. Default: 0.")
  var aspectRatio: Double?

  @Option(parsing: .unconditional, help: "Smallest length of an image's shorter side, in pixels. Default: 1.")
  var minSide: Int?

  @Option(parsing: .unconditional, help: "Most pixels of an image. Default: 100000000.")
  var maxPixels: Int?

  @Option(parsing: .unconditional, help: "Most bytes of an image file. Default: 67108864.")
  var maxBytes: Int?

  @Option(
    help: """
      Duplicate images: keep all; merge those with the same bytes into one sample with all captions; near also drops images \
      that look the same.
      """)
  var duplicates = Filters.Duplicates.merge

  func validate() throws {
    if !remove.isEmpty, !update {
      throw ValidationError("--remove takes a source out of the dataset in --out, with --update; add that")
    }
    if !relocate.isEmpty {
      guard sources.isEmpty else {
        throw ValidationError("--relocate takes the sources that the dataset in --out was collected with; leave out \(sources[0])")
      }
      guard relocate.count == 2 && !update else {
        throw ValidationError(
          "--relocate takes two folders, OLD and NEW, without --update; it has \(relocate.joined(separator: " "))")
      }
    } else if sources.isEmpty, !update {
      throw ValidationError("no source is given; name a folder, a manifest or an archive")
    }
    if !repeats.isEmpty, repeats.count != sources.count {
      throw ValidationError("--repeat is given \(repeats.count) times for \(sources.count) sources; give it once per source")
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

  /// The options that the dataset was collected with, with further sources and without those that are removed.
  ///
  /// - Throws: `DalleError` for other settings: they would hold for new samples alone.
  private func updated(
    _ folder: DatasetFolder, _ given: DatasetOptions, _ log: (String) -> Void
  ) throws -> DatasetOptions {
    let recorded = try Dataset(folder).summary.options
    guard given.differsInSourcesAlone(from: DatasetOptions(sources: [])) || given.differsInSourcesAlone(from: recorded) else {
      throw DalleError(
        .usage,
        "\(out): --update keeps the columns, filters and validation split that the dataset was collected with (see \(folder.summary)), and "
          + "others are given; leave them out, or collect into another folder")
    }
    let remaining = try recorded.removing(remove)
    let options = remaining.adding(given.sources)
    func paths(_ sources: some Sequence<DatasetSource>) -> String { sources.map(\.path).joined(separator: ", ") }
    guard !options.sources.isEmpty else {
      throw DalleError(
        .usage, "\(out): --remove leaves the dataset no source; it has \(paths(recorded.sources)): name others to add, or keep one")
    }
    let removed = recorded.sources.filter { !remaining.sources.contains($0) }
    let added = options.sources.dropFirst(remaining.sources.count)
    let kept = remaining.sources.filter { source in !given.sources.contains { $0.path == source.path } }
    if !removed.isEmpty { log("removing \(paths(removed)) from the dataset's sources") }
    if !added.isEmpty { log("adding \(paths(added)) to the dataset's sources") }
    if !(removed + given.sources).isEmpty, !kept.isEmpty { log("the dataset keeps its sources \(paths(kept))") }
    return options
  }

  func run() {
    RankedCommand.withRanks { world, stop in
      let folder = DatasetFolder(out)
      let log = { (line: String) in if world.rank == 0 { print("collect: \(line)") } }
      if !relocate.isEmpty {
        let found = try folder.relocate(Relocation(from: relocate[0], to: relocate[1]), in: world, log: log)
        return log("\(out): \(found.formatted()) files are now read from \(relocate[1])")
      }
      let given = DatasetOptions(
        sources: try sources.enumerated().map { number, text in
          let source = try DatasetSource(parsing: text)
          return repeats.isEmpty ? source : DatasetSource(source.path, repeat: repeats[number], columns: source.columns)
        },
        columns: Columns(image: imageColumn, captions: captionColumn), captionForm: captions, filters: filters,
        validation: validation)
      let options = update ? try updated(folder, given, log) : given
      let collector = try Collector(folder, options: options, isUpdate: update)
      let isOld = try world.decide { collector.isFinished }
      stop.explain("collect: stopped by a signal; the same command resumes")
      try collector.collect(in: world, stop: stop, log: log)
      let summary = try Dataset(collector.folder).summary
      log(
        "\(out): \(summary.training.formatted()) \(summary.training == 1 ? "sample" : "samples") for training, "
          + "\(summary.validation.formatted()) for validation")
      if summary.repeated > 0 { log("\(summary.repeated.formatted()) of the training samples are repeats") }
      if summary.merged > 0 { log("merged \(summary.merged.formatted()) duplicates into the first sample with the same image") }
      if let line = summary.copiesLine { log(line) }
      (summary.sourceLines + summary.sumLines).forEach(log)
      summary.skippedLines.forEach(log)
      if !summary.skippedLines.isEmpty { log("all are listed in \(collector.folder.skipped)") }
      for line in summary.remarks(validationSetting: "--validation") { log("warning: \(line)") }
      if isOld, world.rank == 0 {
        let advice = "`dalle-prep collect --update --out \(out)` takes the changes in"
        let changes = try folder.changesLine(advice: advice).map { "warning: \($0)" }
        log(changes ?? "it was collected on \(folder.date), and its sources have not changed since")
      }
    }
  }
}
