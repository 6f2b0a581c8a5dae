import Datasets
import Errors
import Foundation
import MPI
import Preparation

extension Run {
  /// The captioned images that the configuration names: rendered, a collected dataset, or a source that is collected into the
  /// run's folder first. Collective.
  func openData() throws -> any ImageSource {
    let source: any ImageSource
    switch config.data.source {
    case .scenes: source = ScenesSource(config.data, seed: UInt64(config.seed))
    case .dataset: source = try openDataset(config.data)
    }
    try log.message("data: \(source.count(.training)) training images, \(source.count(.validation)) in the validation split")
    return source
  }

  private func openDataset(_ data: DataConfig) throws -> Dataset {
    let prepared = DatasetFolder(data.path)
    let isPrepared = try grid.world.decide { FileManager.default.fileExists(atPath: prepared.summary) }
    if isPrepared { return try Dataset(prepared) }
    let collector = try Collector(
      DatasetFolder(folder.dataset), options: DatasetOptions(sources: [Source(data.path)], validation: data.validation))
    try collector.collect(in: grid.world, stop: stop, log: { [log] in try log.message("data: \($0)") })
    let dataset = try Dataset(collector.folder)
    if let line = dataset.summary.copiesLine { try log.message("data: \(line)") }
    let omissions = dataset.summary.omissions
    for line in omissions { try log.message("data: \(line)") }
    if !omissions.isEmpty { try log.message("data: each is listed in \(collector.folder.skipped)") }
    return dataset
  }

  /// Checks that all ranks see as many things in a folder. Collective.
  ///
  /// - Throws: `DalleError` that names this host, if they see different ones.
  func requireEqual(_ count: Int, of path: String) throws {
    let counts = try grid.world.allGather(count)
    guard Set(counts).count == 1 else {
      throw DalleError(
        .unavailable,
        "\(path): ranks see between \(counts.min()!) and \(counts.max()!) samples in it, \(count) on "
          + "\(ProcessInfo.processInfo.hostName); put the folder on a file system that all hosts share, and start again")
    }
  }
}
