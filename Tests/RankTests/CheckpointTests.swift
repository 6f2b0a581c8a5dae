import Checkpoint
import Errors
import Files
import Foundation
import Layers
import MPI
import Optimization
import Parallel

private struct Progress: Codable, Equatable {
  var step: Int
}

extension RankTest {
  /// Where this number of ranks and nodes saves.
  fileprivate func folder(_ name: String) -> String { "\(scratch)/\(world.size)-\(ranksPerNode)-\(name)" }

  fileprivate func checkpoints(_ name: String) throws -> CheckpointStore {
    // Some files hold few tensors, one too large for the limit is alone in its own.
    try CheckpointStore(folder: folder(name), grid: grid, keepLast: 2, keepEvery: 4, fileLimit: 100_000)
  }

  fileprivate var optimizers: [(name: String, optimizer: any Optimizer)] {
    [("adamw", AdamW(AdamWConfig())), ("momentum", TestMomentum())]
  }
}

/// Save, load, resume: the bits of a run that was never stopped. Retention keeps two, and multiples of four.
func testResume(_ test: RankTest, _ shard: ShardLayout) throws {
  func makeStore(_ optimizer: any Optimizer) throws -> NodeParameterStore {
    try test.makeStore(optimizer, exchange: ExchangeSettings(shard: shard))
  }
  for (kind, optimizer) in test.optimizers {
    let name = shard == .node ? kind : "\(kind)-world"
    let whole = try makeStore(optimizer)
    try test.train(whole, optimizer, from: 0, steps: 9)
    do {
      let checkpoints = try test.checkpoints(name)
      let first = try makeStore(optimizer)
      test.expect(try checkpoints.loadLatest(Progress.self, into: first) == nil, "a new folder has no checkpoint")
      for number in 0..<7 {
        try test.train(first, optimizer, from: number, steps: 1)
        try checkpoints.save(step: number + 1, parameters: first, state: Progress(step: number + 1))
        try checkpoints.waitUntilRead()
      }
      try checkpoints.finish()
      let steps = try CheckpointStore.steps(in: test.folder(name))
      test.expect(steps == [4, 6, 7], "kept \(steps)")
    }
    let second = try makeStore(optimizer)
    test.expect(try test.checkpoints(name).loadLatest(Progress.self, into: second) == Progress(step: 7), "progress")
    try second.refreshComputeCopy()
    try test.train(second, optimizer, from: 7, steps: 2)
    // Waits for weights on their way, too.
    for store in [whole, second] { try store.verifyEqualWeights() }
    test.expect(test.contents(second) == test.contents(whole), "\(name): resumed bits differ from those of the whole run")
  }
  try test.passed("resume")
}

/// Checkpoints of both layouts are the same: a training goes on from one in the other, and writes the same again.
func testOtherLayout(_ test: RankTest) throws {
  for (name, optimizer) in test.optimizers {
    var saved: [NodeParameterStore] = []
    for (step, shard) in [ShardLayout.node, .world, .node].enumerated() {
      let checkpoints = try test.checkpoints("layouts-\(name)")
      let store = try test.makeStore(optimizer, exchange: ExchangeSettings(shard: shard))
      if try checkpoints.loadLatest(Progress.self, into: store) == nil { try test.train(store, optimizer, from: 0, steps: 2) }
      try store.refreshComputeCopy()
      if let first = saved.first { test.expectKept(store, as: first, "loaded as \(shard)") }
      try checkpoints.save(step: step + 1, parameters: store, state: Progress(step: step + 1))
      try checkpoints.finish()
      saved.append(store)
    }
  }
  try test.passed("other layout")
}

extension RankTest {
  /// The checkpoint that was begun is not written, because a parameter has numbers that are not finite.
  func expectDiverged(_ checkpoints: CheckpointStore, _ parameter: Parameter) {
    // Only the coordinator writes.
    if grid.isCoordinator {
      do {
        try checkpoints.waitUntilRead()
        expect(false, "a checkpoint with numbers that are not finite was written")
      } catch { expect((error as? DalleError)?.kind == .diverged && "\(error)".contains("`\(parameter.name)`"), "\(error)") }
    }
    checkpoints.finishAfterError()
  }
}

/// What killed jobs left is removed, and a training that has diverged writes no checkpoint.
func testIncompleteCheckpoints(_ test: RankTest) throws {
  let folder = test.folder("incomplete")
  if test.grid.isCoordinator {
    for name in [".partial-step-00000002", "step-00000001", "step-00000003", "other"] { try makeFolder("\(folder)/\(name)") }
    try replaceFile("\(folder)/step-00000003/MANIFEST.json", with: Data("{}".utf8))
  }
  try test.world.barrier()
  let checkpoints = try CheckpointStore(folder: folder, grid: test.grid, keepLast: 1, keepEvery: 0)
  func expectNames(_ expected: [String]) throws {
    guard test.grid.isCoordinator else { return }
    let names = try namesInFolder(folder).sorted()
    test.expect(names == expected, "the folder has \(names)")
  }
  try expectNames(["other", "step-00000003"])

  let optimizer = AdamW(AdamWConfig())
  let store = try test.makeStore(optimizer)
  try checkpoints.save(step: 4, parameters: store, state: Progress(step: 4))
  try checkpoints.finish()
  try expectNames(["other", "step-00000004"])
  let parameter = RankTest.table.parameters[2]
  if test.grid.node.rank == 0 { store.fp32Values(nil, of: parameter.block)[parameter.offset + 3] = .nan }
  try test.grid.node.barrier()
  try checkpoints.save(step: 5, parameters: store, state: Progress(step: 5))
  test.expectDiverged(checkpoints, parameter)
  try expectNames(["other", "step-00000004"])
  try test.passed("incomplete checkpoints")
}

/// A checkpoint of one rank is one of any number: the arrays are the same to the bit.
func testOtherRanks(_ test: RankTest) throws {
  let folder = "\(test.scratch)/one"
  let optimizer = AdamW(AdamWConfig())
  let expected = try test.makeStore(optimizer)
  let arrays: [StateArray?] = [nil] + expected.stateArrays
  if test.grid.node.rank == 0 {
    for (index, array) in arrays.enumerated() {
      for parameter in RankTest.table.parameters {
        let values = expected.fp32Values(array, of: parameter.block)
        for i in 0..<parameter.count { values[parameter.offset + i] = Float(i + index) }
      }
    }
  }
  try test.grid.node.barrier()
  let checkpoints = try CheckpointStore(folder: folder, grid: test.grid, keepLast: 2, keepEvery: 0)
  if test.world.size == 1 {
    try checkpoints.save(step: 1, parameters: expected, state: Progress(step: 1))
    try checkpoints.finish()
  }
  let loaded = try test.makeStore(optimizer)
  test.expect(try checkpoints.loadLatest(Progress.self, into: loaded) == Progress(step: 1), "the checkpoint of one rank")
  test.expect(test.contents(loaded) == test.contents(expected), "arrays of the checkpoint of one rank")

  // A training that kept no EMA, and one that keeps none any more.
  func check(_ saved: [StateArray], _ kept: [StateArray], folder: String) throws {
    let before = try test.makeStore(optimizer, others: saved)
    let checkpoints = try CheckpointStore(
      folder: "\(test.scratch)/\(folder)-\(test.world.size)", grid: test.grid, keepLast: 1, keepEvery: 0)
    try checkpoints.save(step: 1, parameters: before, state: Progress(step: 1))
    try checkpoints.finish()
    try test.world.barrier()
    let after = try test.makeStore(optimizer, others: kept)
    _ = try checkpoints.loadLatest(Progress.self, into: after)
    try after.refreshComputeCopy()
    for parameter in RankTest.table.parameters {
      let weights = before.fp32Values(nil, of: parameter.block).array
      test.expect(after.fp32Values(nil, of: parameter.block).array == weights, "weights of \(parameter.name)")
      if kept.isEmpty { continue }
      test.expect(
        after.fp32Values(RankTest.ema, of: parameter.block).array == weights, "EMA of \(parameter.name)")
    }
  }
  try check([], [RankTest.ema], folder: "without")
  try check([RankTest.ema], [], folder: "with")
  try test.passed("other ranks")
}

/// Damage, and the state of another optimizer, are refused by name.
func testDamage(_ test: RankTest) throws {
  func refuses(_ optimizer: any Optimizer, _ expected: String) throws {
    let store = try test.makeStore(optimizer)
    do {
      _ = try test.checkpoints("adamw").loadLatest(Progress.self, into: store)
      test.expect(false, "no error that names \(expected)")
    } catch { test.expect("\(error)".contains(expected), "\(error) does not name \(expected)") }
  }
  guard test.world.size == 1 else { return }
  try refuses(TestMomentum(), "velocity/")
  var config = AdamWConfig()
  for moments in [MomentFormat.bf16, .published] {
    config.moments = moments
    try refuses(AdamW(config), "has `first_moment` as F32")
  }
  let file = test.folder("adamw") + "/step-00000007/model-00002-of-00003.safetensors"
  var damaged = try Data(contentsOf: URL(fileURLWithPath: file))
  damaged[damaged.count - 5] ^= 1
  try damaged.write(to: URL(fileURLWithPath: file))
  try refuses(AdamW(AdamWConfig()), "model-00002-of-00003.safetensors: damaged")
  try test.passed("damage")
}
