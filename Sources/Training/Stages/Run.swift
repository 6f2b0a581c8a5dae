import Datasets
import Errors
import Files
import Foundation
import Kernels
import MPI
import Monitoring
import Parallel
import Preparation

/// From captioned pictures to a model: the stages of a run, each skipped when it is finished and gone on with when it is not.
/// Every rank makes one and calls `run` with the same stages.
public final class Run {
  let config: RunConfig
  let folder: RunFolder
  let grid: ProcessGrid
  let log: StepLog
  let stop: StopSignal
  let source: any ImageSource
  let skipped: SkippedImages
  /// Of both models' products, on every rank.
  let precision: Precision

  /// - Throws: `StoppedBySignal` if that happens while the dataset is collected.
  public init(_ config: RunConfig, folder: RunFolder, grid: ProcessGrid, stop: StopSignal) throws {
    self.config = config
    self.folder = folder
    self.grid = grid
    self.stop = stop
    if grid.isCoordinator {
      try folder.check(config)
      for path in [folder.logs, folder.samples, folder.shards, folder.model] { try makeFolder(path) }
      try replaceFile(folder.config, with: Data(config.yaml().utf8))
    }
    try grid.world.barrier()
    log = try StepLog(folder: folder.logs, rank: grid.world.rank, console: grid.isCoordinator)
    skipped = SkippedImages(path: "\(folder.logs)/skipped-\(grid.world.rank).txt")
    let threads = try UsableCores().share(among: grid.node)
    setThreads(threads)
    // One rank whose CPU lacks fast bf16 decides for all.
    var slow = [try config.precision.resolved() == .fp32 ? 1 : 0]
    try grid.world.allReduce(&slow, .maximum)
    precision = slow[0] == 1 ? .fp32 : .bf16
    log.say(
      "\(folder.path): \(grid.world.size) \(grid.world.size == 1 ? "rank" : "ranks") on \(grid.nodeCount) "
        + "\(grid.nodeCount == 1 ? "node" : "nodes"), \(threads) \(threads == 1 ? "thread" : "threads") each, \(precision.rawValue)"
    )

    let seed = UInt64(config.seed)
    switch config.data.source {
    case .scenes: source = ScenesSource(config.data, seed: seed)
    case .dataset: source = try Self.dataset(config.data, folder, grid, stop, log)
    }
    log.say("data: \(source.count(.training)) pictures to train on, \(source.count(.validation)) held out")
  }

  /// Opens the dataset that the configuration names, or collects it into the run's folder.
  private static func dataset(
    _ data: DataConfig, _ folder: RunFolder, _ grid: ProcessGrid, _ stop: StopSignal, _ log: StepLog
  ) throws -> Dataset {
    let prepared = DatasetFolder(data.path)
    if FileManager.default.fileExists(atPath: prepared.summary) { return try Dataset(prepared) }
    let collector = try Collector(
      DatasetFolder(folder.dataset), options: DatasetOptions(sources: [Source(data.path)], validation: data.validation))
    guard try collector.collect(in: grid.world, isStopped: { stop.isRaised }, say: { log.say("data: \($0)") }) else {
      throw StoppedBySignal()
    }
    let dataset = try Dataset(collector.folder)
    let omissions = dataset.summary.omissions
    for line in omissions { log.say("data: \(line)") }
    if !omissions.isEmpty { log.say("data: each is listed in \(collector.folder.skipped)") }
    return dataset
  }

  /// Runs stages in order. Returns false if a signal asked to stop; everything that was made is then on disk.
  public func run(_ stages: [Stage]) throws -> Bool {
    for stage in stages {
      let finished =
        switch stage {
        case .tokenizer: try trainTokenizer()
        case .dvae: try trainDVAE()
        case .encode: try encodeShards()
        case .transformer: try trainTransformer()
        }
      try grid.world.barrier()
      if !finished { return false }
    }
    return true
  }

  func say(_ stage: Stage, _ text: String) {
    log.say("[\(Stage.allCases.firstIndex(of: stage)! + 1)/\(Stage.allCases.count)] \(stage.rawValue): \(text)")
  }

  /// Throws unless an earlier stage has left `path`.
  func require(_ path: String, from stage: Stage) throws {
    if FileManager.default.fileExists(atPath: path) { return }
    throw DalleError(
      .configuration, "\(path) is missing; it comes from the stage `\(stage.rawValue)`: run that first, or leave out --stage")
  }
}
