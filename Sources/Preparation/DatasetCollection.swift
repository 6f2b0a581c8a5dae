import Datasets
import Files
import Foundation
import MPI
import Monitoring

extension Collector {
  /// Collects the dataset with all ranks: the coordinator scans and merges, every rank validates its work items. Collective.
  /// Finished steps and work items are not repeated.
  ///
  /// - Parameters:
  ///   - stop: ends it anywhere; the same call later resumes.
  ///   - log: gets a line now and then, also from other threads.
  /// - Throws: `DalleError` of kind `stopped` if a stop was requested.
  package func collect(in world: Communicator, stop: StopRequest, log: @escaping (String) throws -> Void) throws {
    let report = { (line: String) -> Void in try? log(line) }
    var lock: FolderLock?
    try world.onCoordinator {
      try makeFolder(folder.path)
      lock = try FolderLock(folder.path) { try log("warning: \($0)") }
    }
    try world.requireShared(folder.path)
    defer { withExtendedLifetime(lock) {} }
    if try !world.decide({ isFinished }) {
      let sources = options.sources.count
      try log("scanning \(sources) \(sources == 1 ? "source" : "sources")")
      let inventory = try world.decide { try reporting("scanning", to: report) { try takeInventory() } }
      try validate(inventory, in: world, stop, log)
    }
    // The coordinator broadcasts which files exist, and all ranks wait until they see them.
    let files = try world.decide { try folder.finishedFiles() }
    for (path, byteCount) in files { try awaitFile(path, byteCount: byteCount) }
  }

  /// The files of each work item, in bytes.
  private struct Inventory: Codable {
    var scanned: [Int]
    /// -1 for a work item that is not validated.
    var validated: [Int]
  }

  /// Scans the sources, unless that is done, and lists the files of the work items. Called on the coordinator.
  private func takeInventory() throws -> Inventory {
    try scan()
    let workItems = 0..<workItemCount()
    return Inventory(
      scanned: try workItems.map { try fileSize(folder.scanned($0)) },
      validated: try workItems.map { isValidated($0) ? try fileSize(folder.validated($0)) : -1 })
  }

  /// Validates the remaining work items with all ranks, then merges on the coordinator.
  private func validate(
    _ inventory: Inventory, in world: Communicator, _ stop: StopRequest, _ log: @escaping (String) throws -> Void
  ) throws {
    let report = { (line: String) -> Void in try? log(line) }
    var validated = inventory.validated
    let missing = validated.indices.filter { validated[$0] < 0 }
    try log("validating \(missing.count) of \(validated.count) work items")
    var (progress, done) = (ProgressMeter.lines(), 0)
    for (turn, workItem) in missing.enumerated() where turn % world.size == world.rank {
      try awaitFile(folder.scanned(workItem), byteCount: inventory.scanned[workItem])
      try reporting("validating work item \(workItem)", to: report) { try validate(workItem, stop: stop.check) }
      validated[workItem] = try fileSize(folder.validated(workItem))
      done += 1
      if let line = progress.line(done, of: missing.count / world.size) { try log("validated \(line)") }
    }
    try reporting("waiting for other ranks", to: report) { try world.allReduce(&validated, .maximum) }
    try world.onCoordinator {
      for (workItem, byteCount) in validated.enumerated() {
        try awaitFile(folder.validated(workItem), byteCount: byteCount)
      }
      _ = try reporting("merging", to: report) { try merge() }
    }
  }
}
