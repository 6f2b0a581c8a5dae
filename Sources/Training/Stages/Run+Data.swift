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
    switch config.data.source {
    case .scenes: data = RenderedScenes(config.data, seed: UInt64(config.seed))
    case .dataset: data = try openDataset(config.data)
    }
    try log.message("data: \(data.count(.training)) training samples, \(data.count(.validation)) validation samples")
    return data
  }

  private func openDataset(_ config: DataConfig) throws -> Dataset {
    let collected = DatasetFolder(config.path)
    let isCollected = try grid.world.decide { FileManager.default.fileExists(atPath: collected.summary) }
    if isCollected { return try Dataset(collected) }
    let collector = try Collector(
      DatasetFolder(folder.dataset),
      options: DatasetOptions(sources: [DatasetSource(config.path)], validation: config.validation))
    try collector.collect(in: grid.world, stop: stop, log: { [log] in try log.message("data: \($0)") })
    let dataset = try Dataset(collector.folder)
    if let line = dataset.summary.copiesLine { try log.message("data: \(line)") }
    let skipped = dataset.summary.skippedLines
    for line in skipped { try log.message("data: \(line)") }
    if !skipped.isEmpty { try log.message("data: all are listed in \(collector.folder.skipped)") }
    return dataset
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
