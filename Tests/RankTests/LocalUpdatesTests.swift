import Checkpoint
import Errors
import Foundation
import Layers
import MPI
import Optimization
import Parallel

/// Plain gradient descent.
private struct Descent: Optimizer {
  static let lr: Float = 0.125
  var state: [StateArray] { [] }
  func update(_ piece: ParameterPiece, _ context: UpdateContext) {
    for i in 0..<piece.count { piece.weights[i] -= Self.lr * piece.gradient[i] }
  }
}

private struct Progress: Codable, Equatable {
  var step: Int
}

extension RankTest {
  fileprivate func makeStore(
    _ optimizer: any Optimizer, localUpdates: Int, lr: Double = 0.7, momentum: Double = 0.9, _ format: ExchangeFormat = .fp32
  ) throws -> NodeParameterStore {
    var settings = ExchangeSettings(format)
    settings.localUpdates = localUpdates
    (settings.outer.lr, settings.outer.momentum) = (lr, momentum)
    return try makeStore(optimizer, exchange: settings)
  }

  /// World ranks of this node.
  fileprivate var ranksOfNode: [Int] { get throws { try grid.node.allGather(world.rank) } }

  /// A node's weights, or an array of its state, on the first rank of the node; other ranks get what they see.
  fileprivate func values(_ store: NodeParameterStore, _ array: StateArray? = nil) throws -> [Double] {
    try grid.node.barrier()
    let values = Self.table.parameters.flatMap { parameter in
      store.fp32Values(array, of: parameter.block)[parameter.offset..<parameter.offset + parameter.count].array
    }
    try grid.node.barrier()
    return values.map(Double.init)
  }

  /// The mean over the nodes.
  fileprivate func mean(_ values: [Double]) throws -> [Double] {
    var sums = values
    try grid.across.allReduce(&sums)
    return sums.map { $0 / Double(grid.nodeCount) }
  }

  /// Whether all nodes have the same numbers.
  fileprivate func areEqual(_ values: [Double]) throws -> Bool {
    var (low, high) = (values, values)
    try grid.across.allReduce(&low, .minimum)
    try grid.across.allReduce(&high, .maximum)
    return low == high
  }

  /// An update of this node.
  fileprivate func update(_ store: NodeParameterStore, _ optimizer: any Optimizer, number step: Int) throws {
    try store.beginStep(microBatches: 1)
    for block in Self.table.blockIDs.reversed() {
      try store.gradients(of: block).values.copy(from: Self.gradient(rank: world.rank, step: step, microBatch: 0, block))
      try store.backwardDone(block)
    }
    try store.finishReduction()
    let update = UpdateContext(number: step + 1, lr: 0.01, gradientNorm: try store.gradientNorm())
    try store.forEachOwnedPiece { optimizer.update($0, update) }
    try store.finishUpdate()
  }

  /// An update, and the end of the round where it is due.
  fileprivate func step(_ store: NodeParameterStore, _ optimizer: any Optimizer, number step: Int) throws {
    try update(store, optimizer, number: step)
    if store.endsRound(step + 1) { try store.finishRound { _ in } }
  }

  fileprivate func localCheckpoints(_ name: String, warn: @escaping (String) -> Void = { _ in }) throws -> CheckpointStore {
    try CheckpointStore(folder: "\(scratch)/\(name)", grid: grid, keepLast: 2, keepEvery: 0, fileLimit: 100_000, warn: warn)
  }
}

/// A node's gradient is the sum over its own ranks. With rounds of one step, an outer lr of 1 and no momentum, all nodes have the mean
/// of the weights that each would have had.
func testAveraging(_ test: RankTest) throws {
  let store = try test.makeStore(Descent(), localUpdates: 1, lr: 1, momentum: 0)
  let ranks = try test.ranksOfNode
  for step in 0..<4 {
    let before = try test.values(store)
    let sums = RankTest.table.parameters.map { parameter in
      ranks.reduce([Double](repeating: 0, count: parameter.count)) { sum, rank in
        let gradient = RankTest.gradient(rank: rank, step: step, microBatch: 0, parameter.block)
        return zip(sum, gradient[parameter.offset..<parameter.offset + parameter.count]).map { $0 + Double($1) }
      }
    }.flatMap { $0 }
    let expected = try test.mean(zip(before, sums).map { $0 - Double(Descent.lr) * $1 })
    try test.step(store, Descent(), number: step)
    let after = try test.values(store)
    for (i, (value, expected)) in zip(after, expected).enumerated() {
      // Weights and gradients of some units, with a few fp32 roundings.
      test.expect(abs(value - expected) < 3e-6, "step \(step), value \(i): \(value), the mean is \(expected)")
    }
    test.expect(try test.areEqual(after), "step \(step): the nodes have other bits")
  }
  try test.passed("averaging of weights")
}

/// Rounds of three steps: nodes differ within them; at their ends all have the weights that Nesterov momentum gives in Double, to the same
/// bits. What differs between nodes within a round is no error, what differs in the common weights is.
func testRounds(_ test: RankTest, _ format: ExchangeFormat) throws {
  let optimizer = AdamW(AdamWConfig())
  let store = try test.makeStore(optimizer, localUpdates: 3, format)
  var outer = try test.values(store)
  var momentum = outer.map { _ in 0.0 }
  for step in 0..<12 {
    let before = try test.values(store)
    try test.update(store, optimizer, number: step)
    let after = try test.values(store)
    test.expect(after != before, "step \(step) changed nothing")
    test.expect(try test.grid.nodeCount == 1 || !test.areEqual(after), "step \(step): nodes have the same weights")
    test.expect(try test.values(store, OuterOptimizer.weights) == outer, "step \(step) changed the common weights")
    try store.verifyEqualWeights()
    test.expect(store.endsRound(step + 1) == (step % 3 == 2), "the round after step \(step)")
    guard store.endsRound(step + 1) else { continue }
    let differences = zip(outer, after).map { $0 - $1 }
    let mean = try test.mean(differences)
    // Each node's number is rounded to 8 bits, and the sum once more.
    let sizes = try test.mean(differences.map(abs))
    var pieces = 0
    try store.finishRound { pieces += $0.count }
    test.expect(try test.grid.node.allGather(pieces).reduce(0, +) == RankTest.table.parameterCount, "pieces of \(pieces) values")
    let (weights, velocity) = (try test.values(store), try test.values(store, OuterOptimizer.momentum))
    for i in weights.indices {
      momentum[i] = 0.9 * momentum[i] + mean[i]
      let expected = outer[i] - 0.7 * (mean[i] + 0.9 * momentum[i])
      let tolerance = format == .bf16 && test.grid.nodeCount > 1 ? 2.01 / 256 * sizes[i] + 2e-6 : 2e-6
      test.expect(abs(weights[i] - expected) <= 1.4 * tolerance, "step \(step), value \(i): \(weights[i]), expected \(expected)")
      test.expect(
        abs(velocity[i] - momentum[i]) <= tolerance, "step \(step), value \(i): momentum \(velocity[i]) for \(momentum[i])")
    }
    test.expect(weights == (try test.values(store, OuterOptimizer.weights)), "step \(step): weights are not the common ones")
    test.expect(try test.areEqual(weights) && test.areEqual(velocity), "step \(step): the nodes have other bits")
    (outer, momentum) = (weights, velocity)
  }
  try store.verifyEqualWeights()
  if test.grid.nodeCount > 1 {
    let values = store.fp32Values(OuterOptimizer.weights, of: BlockID(0))
    if test.grid.node.rank == 0, test.grid.across.rank > 0 { values[0] += 1 }
    try test.grid.node.barrier()
    do {
      try store.verifyEqualWeights()
      test.expect(false, "a difference of the common weights went unnoticed")
    } catch is DalleError {}
  }
  try test.passed("rounds of local updates in \(format)")
}

/// Saved within a round and at its end: a training that resumes has the bits of the one that went on, on every node.
func testResumeLocal(_ test: RankTest) throws {
  for (name, optimizer) in [("adamw", AdamW(AdamWConfig())), ("momentum", TestMomentum())] as [(String, any Optimizer)] {
    let folder = "\(test.world.size)-\(test.ranksPerNode)-local-\(name)"
    var ends: [[[Float]]] = []
    let whole = try test.makeStore(optimizer, localUpdates: 4)
    let saving = try test.localCheckpoints(folder)
    for last in [6, 8] {
      for step in (last == 6 ? 0 : 6)..<last { try test.step(whole, optimizer, number: step) }
      try saving.save(step: last, parameters: whole, state: Progress(step: last))
      try saving.finish()
      let resumed = try test.makeStore(optimizer, localUpdates: 4)
      var warnings: [String] = []
      let checkpoints = try test.localCheckpoints(folder) { warnings.append($0) }
      test.expect(try checkpoints.loadLatest(Progress.self, into: resumed) == Progress(step: last), "progress")
      test.expect(warnings.isEmpty, "\(warnings)")
      if last == 8 { test.expect(test.contents(whole) == ends[0], "\(name): resumed within a round, its end has other bits") }
      test.expect(test.contents(resumed) == test.contents(whole), "\(name): the checkpoint of step \(last) has other bits")
      let end = last == 6 ? 8 : 14
      for step in last..<end { try test.step(resumed, optimizer, number: step) }
      try resumed.verifyEqualWeights()
      ends.append(test.contents(resumed))
    }
    for step in 8..<14 { try test.step(whole, optimizer, number: step) }
    test.expect(test.contents(whole) == ends[1], "\(name): resumed bits differ from those of the training that went on")
  }
  try test.passed("resume with local updates")
}

/// A checkpoint of some nodes within a round, on other ones. As many resume it as they were. Others get the mean of the weights, and the
/// moments of the saved nodes in turn. A training without local updates gets the mean, and the first node's moments. One that begins with
/// local updates begins a round.
func testOtherNodes(_ test: RankTest) throws {
  let optimizer = AdamW(AdamWConfig())
  let own: [StateArray?] = [nil, optimizer.firstMoment, optimizer.secondMoment]
  let common = OuterOptimizer.state + [RankTest.ema]
  // Whole numbers, whose sums are exact in any order.
  func number(_ node: Int, _ index: Int, _ i: Int) -> Float { Float(i % 64 + 100 * index + 12 * node) }
  func fill(_ store: NodeParameterStore, _ array: StateArray?, _ value: (Int) -> Float) {
    for parameter in RankTest.table.parameters {
      let values = store.fp32Values(array, of: parameter.block)
      for i in 0..<parameter.count { values[parameter.offset + i] = value(i) }
    }
  }
  func expect(_ store: NodeParameterStore, _ array: StateArray?, line: Int = #line, _ expected: (Int) -> Float) {
    for parameter in RankTest.table.parameters {
      let values = store.fp32Values(array, of: parameter.block)
      for i in 0..<parameter.count {
        let value = values[parameter.offset + i]
        test.expect(value == expected(i), "\(array?.name ?? "weights") \(i) is \(value), not \(expected(i))", line: line)
      }
    }
  }
  for ranksPerNode in [0, 1, 2] where ranksPerNode == 0 || test.world.size % ranksPerNode == 0 {
    let grid = try ProcessGrid(test.world, ranksPerNode: ranksPerNode)
    let before = RankTest(world: test.world, grid: grid, ranksPerNode: ranksPerNode, scratch: test.scratch)
    let folder = "\(test.world.size)-\(test.ranksPerNode)-local-from-\(ranksPerNode)"
    let saved = try before.makeStore(optimizer, localUpdates: 4)
    if grid.node.rank == 0 {
      for (index, array) in own.enumerated() { fill(saved, array) { number(grid.across.rank, index, $0) } }
      for (index, array) in common.enumerated() { fill(saved, array) { number(0, 3 + index, $0) } }
    }
    let checkpoints = try before.localCheckpoints(folder)
    try checkpoints.save(step: 6, parameters: saved, state: Progress(step: 6))
    try checkpoints.finish()

    var warnings: [String] = []
    func load(_ store: NodeParameterStore) throws {
      let checkpoints = try test.localCheckpoints(folder) { warnings.append($0) }
      test.expect(try checkpoints.loadLatest(Progress.self, into: store) == Progress(step: 6), "progress")
      try test.grid.node.barrier()
      try store.verifyEqualWeights()
    }
    let (count, isSame) = (grid.nodeCount, grid.nodeCount == test.grid.nodeCount)
    func mean(_ i: Int) -> Float { (0..<count).reduce(0) { $0 + number($1, 0, i) } / Float(count) }
    let local = try test.makeStore(optimizer, localUpdates: 4)
    try load(local)
    let node = test.grid.across.rank % count
    expect(local, nil) { isSame ? number(node, 0, $0) : mean($0) }
    for index in 1...2 { expect(local, own[index]) { number(node, index, $0) } }
    for (index, array) in common.enumerated() { expect(local, array) { number(0, 3 + index, $0) } }
    let message = "now there are \(test.grid.nodeCount), which resume the round with their mean"
    if test.grid.isCoordinator {
      test.expect(isSame ? warnings.isEmpty : warnings.count == 1 && warnings[0].contains(message), "\(warnings)")
    }

    warnings = []
    let together = try test.makeStore(optimizer)
    try load(together)
    expect(together, nil, mean)
    for index in 1...2 { expect(together, own[index]) { number(0, index, $0) } }
    expect(together, RankTest.ema) { number(0, 5, $0) }
    if test.grid.isCoordinator {
      test.expect(warnings.count == 1 && warnings[0].contains("parallel.localUpdates is 0 now"), "\(warnings)")
    }
  }

  // `testOtherRanks` saved without local updates.
  let begun = try test.makeStore(optimizer, localUpdates: 4)
  let before = try CheckpointStore(folder: "\(test.scratch)/one", grid: test.grid, keepLast: 2, keepEvery: 0)
  test.expect(try before.loadLatest(Progress.self, into: begun) == Progress(step: 1), "a checkpoint without local updates")
  try test.grid.node.barrier()
  expect(begun, nil) { Float($0) }
  expect(begun, OuterOptimizer.weights) { Float($0) }
  expect(begun, OuterOptimizer.momentum) { _ in 0 }
  for index in 1...2 { expect(begun, own[index]) { Float($0 + index) } }
  try test.passed("local updates on other nodes")
}
