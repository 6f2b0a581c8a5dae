import Datasets
import Foundation
import MPI
import Monitoring

extension Collector {
  /// Collects the dataset with all ranks: the coordinator lists and puts together, every rank examines its units. What is
  /// done already is not done again.
  ///
  /// - Parameters:
  ///   - isStopped: asked between units; the same call later goes on.
  ///   - say: gets a line now and then.
  /// - Returns: false if it was stopped.
  public func collect(in world: Communicator, isStopped: () -> Bool, say: (String) -> Void) throws -> Bool {
    try world.barrier()
    if isFinished { return true }
    let sources = options.sources.count
    say("lists \(sources) \(sources == 1 ? "source" : "sources")")
    if world.rank == 0 { try list() }
    try world.barrier()
    let units = unitCount()
    let missing = (0..<units).filter { !isExamined($0) }
    try world.barrier()
    say("examines \(missing.count) of \(units) units of pictures")
    var progress = ProgressReport(total: missing.count / world.size)
    for (place, unit) in missing.enumerated() where place % world.size == world.rank {
      if isStopped() { break }
      try examine(unit)
      if let line = progress.advance(by: 1) { say("examined \(line)") }
    }
    var stopped = [isStopped() ? 1 : 0]
    try world.allReduce(&stopped, .maximum)
    if stopped[0] == 1 { return false }
    if world.rank == 0 { _ = try finish() }
    try world.barrier()
    return true
  }
}
