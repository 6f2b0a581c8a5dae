import Checkpoint
import Errors
import Foundation
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel

extension RankTest {
  /// Compression to several columns of the table's larger matrices; some are too small for it.
  static func settings(_ format: ExchangeFormat, shard: ShardLayout = .node, isWarm: Bool = false) -> ExchangeSettings {
    var settings = ExchangeSettings(format, shard: shard, seed: 4)
    settings.powersgd.compression = 0.9
    settings.powersgd.warmStart = isWarm
    return settings
  }

  /// A step of one micro-batch of `gradient(rank:step:microBatch:)`, in which `change` may spoil this rank's gradient of a block.
  fileprivate func reduce(
    _ store: NodeParameterStore, step: Int, isCompressing: Bool = true, change: (BlockID, Vector) -> Void = { _, _ in }
  ) throws {
    try store.beginStep(microBatches: 1, isCompressing: isCompressing)
    for block in Self.table.blockIDs.reversed() {
      let target = try store.gradients(of: block).values
      target.copy(from: Self.gradient(rank: world.rank, step: step, microBatch: 0, block))
      change(block, target)
      // Nodes at different paces see each other's messages at different moments.
      if (world.rank + block.index + step) % 3 == 0 { usleep(1000) }
      try store.backwardDone(block)
    }
    try store.finishReduction()
  }

  /// This rank's gradients as the optimizer gets them, by parameter, with the first value of each piece.
  fileprivate func gradients(_ store: NodeParameterStore) throws -> [(
    piece: String, parameter: Parameter, first: Int, values: [Float]
  )] {
    var result: [(String, Parameter, Int, [Float])] = []
    try store.forEachOwnedPiece {
      result.append(($0.parameter.name, $0.parameter, $0.rows.lowerBound * $0.parameter.valuesPerRow, $0.gradient.array))
    }
    return result
  }

  fileprivate func makeStore(_ format: ExchangeFormat, isWarm: Bool = false) throws -> NodeParameterStore {
    try makeStore(exchange: Self.settings(format, isWarm: isWarm))
  }

  /// What the nodes' errors sum up to, on every rank.
  fileprivate func errors(_ store: NodeParameterStore, _ parameter: Parameter) throws -> [Double] {
    guard let array = store.stateArrays.first(where: { $0.placement == .summed }) else { return [] }
    let range = parameter.offset..<parameter.offset + parameter.count
    try grid.node.barrier()
    var sums = store.fp32Values(array, of: parameter.block)[range].array.map(Double.init)
    try grid.across.allReduce(&sums)
    return sums
  }
}

/// Sums in fp32 and bf16 are those of all ranks within their rounding, and the same bits on all nodes. In bf16 a sum of n numbers has
/// n + 1 roundings, each of at most 2⁻⁸ of a number or of a partial sum.
func testSums(_ test: RankTest, _ shard: ShardLayout) throws {
  for format in [ExchangeFormat.fp32, .bf16] {
    let store = try test.makeStore(exchange: RankTest.settings(format, shard: shard))
    for step in 0..<3 {
      try test.reduce(store, step: step)
      let norm = try store.gradientNorm()
      var hash = 0
      for (name, parameter, first, values) in try test.gradients(store) {
        let ranks = (0..<test.world.size).map { RankTest.gradient(rank: $0, step: step, microBatch: 0, parameter.block) }
        for (i, value) in values.enumerated() {
          let numbers = ranks.map { $0[parameter.offset + first + i] }
          let size = numbers.reduce(0) { $0 + abs($1) }
          let tolerance: Float = format == .bf16 && test.grid.nodeCount > 1 ? size * 2.01 / 256 : 5e-6
          test.expect(
            abs(value - numbers.reduce(0, +)) <= tolerance, "\(format): \(name), value \(first + i): \(value) of \(numbers)")
          hash = hash &* 31 &+ Int(value.bitPattern)
        }
      }
      // Spread over nodes, each has the sums of its own rows.
      let hashes = Set(try test.grid.across.allGather(hash))
      test.expect(store.isSpread || hashes.count == 1, "\(format): nodes have other bits")
      var same = [norm, -norm]
      try test.world.allReduce(&same, .maximum)
      test.expect(same[0] == -same[1] && norm > 0, "\(format): norm \(norm)")
      try store.finishUpdate()
    }
  }
  try test.passed("sums between nodes")
}

/// Over many steps: what was accumulated is what was applied and what is in the errors; each step applies a projection; all nodes get
/// the same bits. Some steps do not compress, and some updates are skipped.
func testCompression(_ test: RankTest, isWarm: Bool) throws {
  let store = try test.makeStore(.powersgd, isWarm: isWarm)
  let table = RankTest.table
  var accumulated = table.parameters.map { [Double](repeating: 0, count: $0.count) }
  var applied = accumulated
  let index = Dictionary(uniqueKeysWithValues: table.parameters.enumerated().map { ($1.name, $0) })
  var largest = 0.0
  for step in 0..<12 {
    // The errors before the step are part of what it may apply.
    let errors = try table.parameters.map { try test.errors(store, $0) }
    try test.reduce(store, step: step, isCompressing: step != 5)
    let norm = try store.gradientNorm()
    test.expect(norm.isFinite, "norm \(norm)")
    if step == 7 {
      // Skipped: the errors stay as they are, and the gradient is dropped.
      try store.finishUpdate()
      for (parameter, before) in zip(table.parameters, errors) {
        test.expect(try test.errors(store, parameter) == before, "\(parameter.name): errors after a skipped update")
      }
      continue
    }
    var (squares, hash) = (0.0, 0)
    var isExact = true
    for (name, parameter, first, values) in try test.gradients(store) {
      var sum = [Double](repeating: 0, count: values.count)
      for rank in 0..<test.world.size {
        let gradient = RankTest.gradient(rank: rank, step: step, microBatch: 0, parameter.block)
        for i in values.indices { sum[i] += Double(gradient[parameter.offset + first + i]) }
      }
      let p = index[name]!
      for (i, value) in values.enumerated() {
        accumulated[p][first + i] += sum[i]
        applied[p][first + i] += Double(value)
        squares += Double(value) * Double(value)
        let rest = sum[i] + errors[p][first + i] - Double(value)
        if abs(rest) > 1e-3 {
          isExact = false
          test.expect(parameter.role == .matrix, "\(name) was compressed")
        }
        hash = hash &* 31 &+ Int(value.bitPattern)
      }
    }
    test.expect(Set(try test.grid.across.allGather(hash)).count == 1, "step \(step): nodes have other bits")
    let wasExact = try test.world.allGather(isExact ? 1 : 0)
    if test.grid.nodeCount == 1 || step == 5 {
      test.expect(!wasExact.contains(0), "step \(step) left something out")
    } else {
      test.expect(wasExact.contains(0), "step \(step) left nothing out")
    }
    var total = [squares]
    try test.grid.node.allReduce(&total)
    // The norm comes from the factors.
    test.expect(abs(norm - total[0].squareRoot()) < 1e-5 * norm, "step \(step): norm \(norm), gradient \(total[0].squareRoot())")
    try store.finishUpdate()
  }
  for (p, parameter) in table.parameters.enumerated() {
    try test.grid.node.allReduce(&accumulated[p])
    try test.grid.node.allReduce(&applied[p])
    for (i, error) in try test.errors(store, parameter).enumerated() {
      largest = max(largest, abs(error))
      // Twelve steps of numbers of about 10, of which fp32 keeps 1e-6.
      test.expect(
        abs(accumulated[p][i] - applied[p][i] - error) < 1e-4,
        "\(parameter.name), value \(i): accumulated \(accumulated[p][i]), applied \(applied[p][i]), error \(error)")
    }
  }
  test.expect(test.grid.nodeCount == 1 || largest > 0.1, "errors of at most \(largest)")

  // The first node gets all errors; their sum stays.
  let before = try table.parameters.map { try test.errors(store, $0) }
  try store.settle()
  let array = store.stateArrays.first { $0.placement == .summed }!
  for (parameter, sum) in zip(table.parameters, before) {
    let own = store.fp32Values(array, of: parameter.block)[parameter.offset..<parameter.offset + parameter.count].array
    for (value, sum) in zip(own, sum) {
      test.expect(
        abs(Double(value) - (test.grid.across.rank == 0 ? sum : 0)) < 1e-5, "\(parameter.name): \(value) of errors of \(sum)")
    }
  }
  try test.passed(isWarm ? "compression from a warm start" : "compression")
}

/// A rank so high that factors would save nothing: the bits of the uncompressed sum.
func testFullRank(_ test: RankTest) throws {
  var settings = RankTest.settings(.powersgd)
  settings.powersgd.rank = 1_000_000
  let compressed = try test.makeStore(exchange: settings)
  let exact = try test.makeStore(.fp32)
  for step in 0..<2 {
    for store in [compressed, exact] { try test.reduce(store, step: step) }
    for (a, b) in try zip(test.gradients(compressed), test.gradients(exact)) {
      test.expect(a.values == b.values, "\(a.piece): another gradient")
    }
    for store in [compressed, exact] { try store.finishUpdate() }
  }
  try test.passed("full rank")
}

/// A gradient that is not finite on one rank is noticed on all, in any exchange, and spoils nothing that outlives the step.
func testNonFiniteGradients(_ test: RankTest) throws {
  for (format, isWarm) in [(ExchangeFormat.fp32, false), (.bf16, false), (.powersgd, false), (.powersgd, true)] {
    let store = try test.makeStore(format, isWarm: isWarm)
    try test.reduce(store, step: 0)
    _ = try test.gradients(store)
    try store.finishUpdate()
    let before = test.contents(store)
    for (step, (bad, index)) in [(Float.nan, 2), (.infinity, 5), (-.infinity, 1)].enumerated() {
      try test.reduce(store, step: step + 1) { block, values in
        if block.index == index, test.world.rank == test.world.size - 1 { values[0] = bad }
      }
      let norm = try store.gradientNorm()
      test.expect(!norm.isFinite, "\(format): norm \(norm) with \(bad)")
      let name = try store.firstNonFiniteBlock()
      test.expect(name == "block \(index)", "\(format): \(name ?? "no block") is not finite, instead of block \(index)")
      try store.finishUpdate()
      test.expect(test.contents(store) == before, "\(format): a skipped update changed something")
    }
    try test.reduce(store, step: 9)
    let norm = try store.gradientNorm()
    test.expect(norm.isFinite, "\(format): norm \(norm) after the skipped updates")
    test.expect(try store.firstNonFiniteBlock() == nil, "\(format): a block is not finite")
    try store.finishUpdate()
  }
  try test.passed("gradients that are not finite")
}

private struct Progress: Codable, Equatable {
  var step: Int
}

/// With compression, a training that resumes has the bits of the one that went on after the same checkpoint.
func testResumeCompressed(_ test: RankTest, isWarm: Bool) throws {
  let optimizer = AdamW(AdamWConfig())
  let folder = "\(test.scratch)/\(test.world.size)-\(test.ranksPerNode)-compressed-\(isWarm)"
  func checkpoints() throws -> CheckpointStore { try CheckpointStore(folder: folder, grid: test.grid, keepLast: 2, keepEvery: 0) }
  let whole = try test.makeStore(.powersgd, isWarm: isWarm)
  let saving = try checkpoints()
  for number in 0..<7 {
    try test.train(whole, optimizer, from: number, steps: 1)
    guard [3, 7].contains(number + 1) else { continue }
    try saving.save(step: number + 1, parameters: whole, state: Progress(step: number + 1))
    try saving.waitUntilRead()
  }
  try saving.finish()
  let resumed = try test.makeStore(.powersgd, isWarm: isWarm)
  test.expect(try checkpoints().loadLatest(Progress.self, into: resumed) == Progress(step: 7), "progress")
  test.expect(test.contents(resumed) == test.contents(whole), "the checkpoint has other bits")
  for store in [whole, resumed] { try test.train(store, optimizer, from: 7, steps: 3) }
  try resumed.verifyEqualWeights()
  test.expect(test.contents(resumed) == test.contents(whole), "resumed bits differ from those of the training that went on")

  // Without compression the errors are dropped, with a warning.
  var warnings: [String] = []
  let store = try CheckpointStore(folder: folder, grid: test.grid, keepLast: 2, keepEvery: 0) { warnings.append($0) }
  test.expect(try store.loadLatest(Progress.self, into: test.makeStore(.bf16)) == Progress(step: 7), "progress in bf16")
  test.expect(warnings.count == (test.grid.isCoordinator ? 1 : 0), "\(warnings)")
  try test.passed(isWarm ? "resume with compression from a warm start" : "resume with compression")
}

/// Errors that one node saved are those of the first node, whatever the number of nodes, and the next step applies them or keeps them.
/// A training that had none resumes with compression.
func testErrorsOnOtherNodes(_ test: RankTest) throws {
  let folder = "\(test.scratch)/errors"
  let checkpoints = try CheckpointStore(folder: folder, grid: test.grid, keepLast: 2, keepEvery: 0)
  let array = try test.makeStore(.powersgd).stateArrays.first { $0.placement == .summed }!
  func error(_ parameter: Parameter, _ i: Int) -> Float { Float(i % 91) / 7 + Float(parameter.count % 13) }
  if test.world.size == 1 {
    let store = try test.makeStore(.powersgd)
    for parameter in RankTest.table.parameters {
      let values = store.fp32Values(array, of: parameter.block)
      for i in 0..<parameter.count { values[parameter.offset + i] = error(parameter, i) }
    }
    try checkpoints.save(step: 1, parameters: store, state: Progress(step: 1))
    try checkpoints.finish()
  }
  let store = try test.makeStore(.powersgd)
  test.expect(try checkpoints.loadLatest(Progress.self, into: store) == Progress(step: 1), "progress")
  for parameter in RankTest.table.parameters {
    let values = store.fp32Values(array, of: parameter.block)
    for i in 0..<parameter.count {
      let expected = test.grid.across.rank == 0 ? error(parameter, i) : 0
      test.expect(values[parameter.offset + i] == expected, "\(parameter.name), value \(i): \(values[parameter.offset + i])")
    }
  }
  try test.grid.node.barrier()
  try test.reduce(store, step: 0, isCompressing: false)
  for (name, parameter, first, values) in try test.gradients(store) {
    let ranks = (0..<test.world.size).map { RankTest.gradient(rank: $0, step: 0, microBatch: 0, parameter.block) }
    for (i, value) in values.enumerated() {
      let expected = ranks.reduce(error(parameter, first + i)) { $0 + $1[parameter.offset + first + i] }
      test.expect(abs(value - expected) < 2e-5, "\(name), value \(first + i): \(value), expected \(expected)")
    }
  }
  try store.finishUpdate()
  for parameter in RankTest.table.parameters {
    test.expect(try test.errors(store, parameter).allSatisfy { $0 == 0 }, "\(parameter.name): errors after an exact step")
  }
  // `testOtherRanks` saved without errors.
  let before = try CheckpointStore(folder: "\(test.scratch)/one", grid: test.grid, keepLast: 2, keepEvery: 0)
  test.expect(
    try before.loadLatest(Progress.self, into: test.makeStore(.powersgd)) == Progress(step: 1), "a checkpoint without errors")
  try test.passed("errors on other nodes")
}
