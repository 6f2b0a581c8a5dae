import Errors
import Files
import Foundation
import Kernels
import MPI
import Monitoring
import Parallel
import Preparation

/// A run: a folder, the ranks that work on it, and what its stages share. Every rank makes one and calls `run` with equal stages.
package final class Run {
  package let config: RunConfig
  package let folder: RunFolder
  package let grid: ProcessGrid
  package let monitor: RunMonitor
  package var log: EventLog { monitor.log }
  package let stop: StopRequest
  /// Of the models' GEMMs, on every rank.
  package let precision: Precision
  let skipped: SkippedSamples
  private let lock: FolderLock?

  /// Locks the folder, checks that the configuration fits what is in it, and makes its parts. Collective.
  ///
  /// - Parameter sinks: get the run's events on this rank, beside the log file and the console.
  /// - Throws: `DalleError` of kind `temporary` if another job uses the folder.
  package init(
    _ config: RunConfig, folder: RunFolder, grid: ProcessGrid, stop: StopRequest, sinks: [any EventSink] = []
  ) throws {
    (self.config, self.folder, self.grid, self.stop) = (config, folder, grid, stop)
    var lock: FolderLock?
    var warnings: [String] = []
    // All ranks use one file system; the coordinator speaks for all.
    if !grid.isCoordinator { FileWarnings.show { _ in } }
    try grid.world.onCoordinator {
      try makeFolder(folder.path)
      lock = try FolderLock(folder.path) { warnings.append($0) }
    }
    try grid.world.requireShared(folder.path)
    try grid.world.onCoordinator {
      try folder.check(config)
      for path in [folder.products, folder.logs, folder.status, folder.samples, folder.shards, folder.model] {
        try makeFolder(path)
      }
    }
    self.lock = lock
    precision = try config.precision.resolved().common(in: grid.world)
    let board = grid.isCoordinator ? [TensorBoardSink(folder: folder.events, configuration: try config.yaml())] : []
    monitor = try RunMonitor(
      config.monitoring, folder: folder, world: grid.world, precision: precision.rawValue, sinks: board + sinks, stop: stop)
    for warning in warnings { try monitor.log.warning(warning) }
    if grid.isCoordinator { FileWarnings.show { [log = monitor.log] in try? log.warning($0) } }
    skipped = SkippedSamples(monitor.log)
    let cores = UsableCores()
    let threads = try cores.share(among: grid.machine)
    setThreads(threads)
    try log.message(
      "\(folder.path): \(grid.world.size) \(grid.world.size == 1 ? "rank" : "ranks") on \(grid.nodeCount) "
        + "\(grid.nodeCount == 1 ? "node" : "nodes"), \(threads) \(threads == 1 ? "thread" : "threads") each (usable: "
        + "\(cores.text)), \(precision.rawValue)")
    if let warning = try cores.bindingWarning(among: grid.machine), grid.machine.rank == 0 { try log.warning(warning) }
  }

  /// Runs the stages that are not finished, in order. Collective.
  ///
  /// - Parameters:
  ///   - only: the name of one stage, which is run alone.
  ///   - restart: the name of a stage whose product is removed first, with those of the stages after it.
  /// - Throws: `DalleError` if a product no longer fits its inputs; nothing has been changed then. Of kind `stopped` if a stop was
  ///   requested; everything that was made is then on disk.
  package func run(_ stages: [any Stage], only: String? = nil, restartFrom restart: String? = nil) throws {
    do {
      try runUnfinished(stages, only: only, restartFrom: restart)
      monitor.end(nil)
    } catch {
      monitor.end(error)
      throw error
    }
  }

  private func runUnfinished(_ stages: [any Stage], only: String?, restartFrom restart: String?) throws {
    precondition(Set(stages.map(\.name) + RunFolder.reserved).count == stages.count + RunFolder.reserved.count, "a name twice")
    let only = try only.map { try Self.stage($0, of: stages, option: "--stage") }
    let restart = try restart.map { try Self.stage($0, of: stages, option: "--restart-from") }
    let ledger = StageLedger(folder: folder, stages: stages)
    try grid.world.onCoordinator {
      if let restart { for path in try ledger.restart(from: restart) { try log.message("removed \(path)") } }
      try ledger.check()
      // From now on the folder is this configuration's.
      try replaceFile(folder.config, with: Data(config.yaml().utf8))
    }
    for (index, stage) in stages.enumerated() where only == nil || only?.name == stage.name {
      try stop.check()
      monitor.status.set(stage: stage.name, step: nil)
      let (number, count) = (index + 1, stages.count)
      let status = try grid.world.decide { try ledger.status(of: stage) }
      switch status {
      case .finished: break
      case .given:
        try grid.world.onCoordinator { try ledger.finish(stage, isGiven: true) }
      case .unfinished:
        try log.record(.stageBegun(number: number, count: count), stage: stage.name)
        let inputs = try grid.world.decide { try ledger.begin(stage) }
        try stage.run(in: self, inputs: inputs)
        try grid.world.onCoordinator {
          try ledger.finish(stage)
          try ledger.check()
        }
      }
      try log.record(.stageFinished(number: number, count: count, isGiven: status == .given), stage: stage.name)
      try announce(stage)
    }
  }

  /// The coordinator tells all ranks what a finished stage left, and they wait until they see it.
  private func announce(_ stage: any Stage) throws {
    struct File: Codable {
      var path: String
      var byteCount: Int
    }
    let files = try grid.world.decide {
      try stage.product(in: folder).files.map { File(path: $0, byteCount: try fileSize($0)) }
    }
    for file in files { try awaitFile(file.path, byteCount: file.byteCount) }
  }

  private static func stage(_ name: String, of stages: [any Stage], option: String) throws -> any Stage {
    guard let stage = stages.first(where: { $0.name == name }) else {
      throw DalleError(
        .usage, "\(option) \(name): there is no such stage; use one of \(stages.map(\.name).joined(separator: ", "))")
    }
    return stage
  }
}
