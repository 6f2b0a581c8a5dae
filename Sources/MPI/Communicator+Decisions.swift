import Foundation

extension Communicator {
  /// What the coordinator (rank 0) decides, on every rank. Collective.
  ///
  /// Whatever depends on files is decided here: a network file system may show ranks of different hosts different states, and
  /// ranks that decide differently wait for each other forever. `body` runs on the coordinator alone. What it throws is thrown
  /// there alone too, while the other ranks wait: the caller ends the whole job with it.
  package func decide<Value: Codable>(_ body: () throws -> Value) throws -> Value {
    // In an array: a value such as a number is no JSON document of its own.
    let bytes = try broadcast(rank == 0 ? [UInt8](JSONEncoder().encode([body()])) : [])
    return try JSONDecoder().decode([Value].self, from: Data(bytes))[0]
  }

  /// Lets the coordinator (rank 0) do what the other ranks must not overtake. Collective.
  package func onCoordinator(_ body: () throws -> Void) throws {
    if rank == 0 { try body() }
    try barrier()
  }
}
