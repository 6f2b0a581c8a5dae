import Datasets
import Files
import Foundation
import MPI
import Monitoring

extension Collector {
  /// Collects the dataset with all ranks: the coordinator lists and puts together, every rank examines its units. What is
  /// done already is not done again.
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
    let isDone = try world.decide { isFinished }
    if !isDone {
      let sources = options.sources.count
      try log("lists \(sources) \(sources == 1 ? "source" : "sources")")
      let inventory = try world.decide { try reporting("lists", to: report) { try takeInventory() } }
      try examine(inventory, in: world, stop, log)
    }
    // The coordinator tells all ranks what they will open, and they wait until they see it.
    let files = try world.decide { try folder.finishedFiles() }
    for (path, byteCount) in files { try awaitFile(path, byteCount: byteCount) }
  }

  /// Bytes of each unit's listing, and of what was found in it; -1 if it has not been examined.
  private struct Inventory: Codable {
    var listings: [Int]
    var examined: [Int]
  }

  /// Lists the sources, unless that is done, and looks what has been examined. Called on the coordinator.
  private func takeInventory() throws -> Inventory {
    try list()
    let units = 0..<unitCount()
    return Inventory(
      listings: try units.map { try fileSize(folder.listing($0)) },
      examined: try units.map { isExamined($0) ? try fileSize(folder.examined($0)) : -1 })
  }

  /// Examines what has not been, with all ranks, and puts the dataset together on the coordinator.
  private func examine(
    _ inventory: Inventory, in world: Communicator, _ stop: StopRequest, _ log: @escaping (String) throws -> Void
  ) throws {
    let report = { (line: String) -> Void in try? log(line) }
    var examined = inventory.examined
    let missing = examined.indices.filter { examined[$0] < 0 }
    try log("examines \(missing.count) of \(examined.count) units of pictures")
    var (progress, done) = (ProgressMeter.lines(), 0)
    for (turn, unit) in missing.enumerated() where turn % world.size == world.rank {
      try awaitFile(folder.listing(unit), byteCount: inventory.listings[unit])
      try reporting("examines unit \(unit)", to: report) { try examine(unit, stop: stop.check) }
      examined[unit] = try fileSize(folder.examined(unit))
      done += 1
      if let line = progress.line(done, of: missing.count / world.size) { try log("examined \(line)") }
    }
    try reporting("waits for other ranks", to: report) { try world.allReduce(&examined, .maximum) }
    try world.onCoordinator {
      for (unit, byteCount) in examined.enumerated() { try awaitFile(folder.examined(unit), byteCount: byteCount) }
      _ = try reporting("puts the dataset together", to: report) { try finish() }
    }
  }
}
