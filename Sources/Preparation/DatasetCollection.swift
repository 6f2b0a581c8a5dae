import Datasets
import Errors
import Files
import Foundation
import MPI
import Monitoring
import Shards

extension Collector {
  /// Collects or updates the dataset with all ranks: the coordinator scans and merges, every rank validates its work items.
  /// Collective. Finished steps and work items are not repeated.
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
    if try !world.decide({ try isFinished || isUpToDate(log) }) {
      let sources = options.sources.count
      try log("scanning \(sources) \(sources == 1 ? "source" : "sources")")
      let inventory = try world.decide { try reporting("scanning", to: report) { try takeInventory() } }
      try validate(inventory, in: world, stop, log)
    }
    // The coordinator broadcasts which files exist, and all ranks wait until they see them.
    let files = try world.decide { try folder.finishedFiles() }
    for (path, byteCount) in files { try awaitFile(path, byteCount: byteCount) }
  }

  /// Whether an update has nothing to do. Called on the coordinator.
  ///
  /// - Throws: `DalleError` if a source is not there: everything from it would be removed.
  private func isUpToDate(_ log: (String) throws -> Void) throws -> Bool {
    guard folder.isDataset else { return false }
    let changes = try SourceChanges(folder, options)
    if let problem = changes.problem {
      throw DalleError(
        .noInput,
        "\(problem) (a source of \(folder.path)); if the images have moved, `--relocate OLD NEW` records where to; if they are gone for good, "
          + "`--update --remove SOURCE` takes their source out")
    }
    try log("\(folder.path): collected on \(folder.date); since then: \(changes.description)")
    return try changes.isEmpty && folder.readSummary().options == options
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
      _ = try reporting("merging", to: report) { try merge(shardCaptions: TokenSample.captionLimit) }
    }
  }
}

extension DatasetFolder {
  /// How the sources differ from what they were when the dataset was collected, as a line for the log; nil if they do not.
  ///
  /// - Parameters:
  ///   - advice: how changes are taken in.
  ///   - limit: on the time that listing the sources takes.
  ///   - note: gets a line if the time was too short for all of them.
  package func changesLine(
    advice: String, limit: Duration? = nil, note: (String) throws -> Void = { _ in }
  ) throws -> String? {
    let changes = try SourceChanges(self, readSummary().options, limit: limit)
    if let count = changes.comparedCount {
      try note(
        "the first \(count.formatted()) files of the sources of \(path) were compared with what they were when it was collected "
          + "(\(limit!.formatted(.units(width: .narrow)))); `dalle-prep collect --update --out \(path)` compares all and takes changes in"
      )
    }
    if let problem = changes.problem {
      return
        "the sources of \(path) cannot be compared (\(problem)); if the images have moved, `dalle-prep collect --relocate OLD NEW --out \(path)` records where to"
    }
    if changes.isEmpty { return nil }
    return "the sources of \(path) have changed since it was collected on \(date) (\(changes.description)); \(advice)"
  }

  /// Records that images have moved. Collective; the coordinator does it.
  ///
  /// - Returns: on the coordinator, files that were found in their new folder.
  package func relocate(_ relocation: Relocation, in world: Communicator, log: (String) throws -> Void) throws -> Int {
    try world.decide {
      let lock = try FolderLock(path) { try log("warning: \($0)") }
      defer { withExtendedLifetime(lock) {} }
      return try relocation.apply(to: self)
    }
  }
}
