import Datasets
import Errors
import Foundation
import MPI
import Preparation

extension Run {
  /// Opens the captioned images that the configuration names: rendered scenes, a collected dataset, or a source that is collected
  /// into the run's folder first. Collective.
  func openData() throws -> any CaptionedImages {
    let data: any CaptionedImages
    var date = ""
    switch config.data.source {
    case .scenes: data = RenderedScenes(config.data, seed: UInt64(config.seed))
    case .dataset:
      let given = DatasetFolder(config.data.path)
      let isDataset = try grid.world.decide { given.isDataset }
      let (dataset, place) = isDataset ? (try Dataset(given), given) : (try collect(config.data), DatasetFolder(folder.dataset))
      try grid.world.onCoordinator {
        date = ", collected on \(place.date)"
        // A dataset of the run's own must not change under its shards.
        let advice =
          isDataset
          ? "to train on the changes, take them in with `dalle-prep collect --update --out \(place.path)` and use another --run"
          : "to train on the changes, use another --run, which collects them"
        // Listing millions of files on a network file system takes minutes, and every start would wait for it.
        let line = try log.reporting("data: comparing the sources with the dataset") {
          try place.changesLine(advice: advice, limit: .seconds(20)) { try log.message("data: \($0)") }
        }
        if let line { try log.warning("data: \(line)") }
      }
      data = dataset
    }
    let (training, validation) = (data.count(.training), data.count(.validation))
    try log.message("data: \(training) \(training == 1 ? "sample" : "samples") for training, \(validation) for validation\(date)")
    return data
  }

  /// Collects a source into the run's folder, unless that is done.
  private func collect(_ config: DataConfig) throws -> Dataset {
    let options = DatasetOptions(sources: [try DatasetSource(parsing: config.path)], validation: config.validation)
    try follow(options)
    let collector = try Collector(DatasetFolder(folder.dataset), options: options)
    try collector.collect(in: grid.world, stop: stop, log: { [log] in try log.message("data: \($0)") })
    let dataset = try Dataset(collector.folder)
    if let line = dataset.summary.copiesLine { try log.message("data: \(line)") }
    for line in dataset.summary.sourceLines + dataset.summary.sumLines { try log.message("data: \(line)") }
    let skipped = dataset.summary.skippedLines
    for line in skipped { try log.message("data: \(line)") }
    if !skipped.isEmpty { try log.message("data: all are listed in \(collector.folder.skipped)") }
    try grid.world.onCoordinator {
      for line in dataset.summary.remarks(validationSetting: "data.validation") { try log.warning("data: \(line)") }
    }
    return dataset
  }

  /// If the run's dataset was collected from another folder, records that its images are in the one that the configuration names,
  /// where they are the same images.
  ///
  /// - Throws: `DalleError` if they are not.
  private func follow(_ options: DatasetOptions) throws {
    let dataset = DatasetFolder(folder.dataset)
    let old = try grid.world.decide { dataset.isDataset ? try dataset.readSummary().options.sources.map(\.path) : [] }
    let new = options.sources.map(\.path)
    guard old.count == 1, old != new else { return }
    do {
      let found = try dataset.relocate(Relocation(ofSource: old[0], to: new[0]), in: grid.world) { try log.message($0) }
      try log.message("data: the images of \(dataset.path) are in \(new[0]), no longer in \(old[0]): found \(found) files")
    } catch let error as DalleError {
      throw DalleError(
        error.kind,
        "\(dataset.path): was collected from \(old[0]), and `data.path` is \(new[0]), which has other images (\(error)); use another --run, or put the path back"
      )
    }
  }

  /// Checks that all ranks see the same number of samples in a folder. Collective.
  ///
  /// - Throws: `DalleError` that names this host, if they do not.
  func requireEqual(_ count: Int, of path: String) throws {
    let counts = try grid.world.allGather(count)
    guard Set(counts).count == 1 else {
      throw DalleError(
        .unavailable,
        "\(path): ranks see between \(counts.min()!) and \(counts.max()!) samples (\(count) on "
          + "\(ProcessInfo.processInfo.hostName)); put the folder on a file system that all hosts share, and start again")
    }
  }
}
