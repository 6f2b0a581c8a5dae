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
  static let ema = ExponentialMovingAverage(every: 1, decay: 0.9).state[0]

  func makeStore(
    _ optimizer: any Optimizer = AdamW(AdamWConfig()), others: [StateArray] = [RankTest.ema],
    precision: Precision = .fp32, exchange: ExchangeSettings = ExchangeSettings()
  ) throws -> NodeParameterStore {
    let store = try NodeParameterStore(
      Self.table, grid: grid, optimizer: optimizer, others: others, precision: precision,
      gradientBlocks: 3, exchange: exchange)
    try store.initialize(seed: 3)
    return store
  }

  /// Trains `steps` updates from `first`, two micro-batches each.
  func train(_ store: NodeParameterStore, _ optimizer: any Optimizer, from first: Int, steps: Int) throws {
    let format = store.stateArrays.contains { $0.isEMA && $0.elementType == .bf16 } ? EMAFormat.bf16 : .fp32
    let ema = ExponentialMovingAverage(every: 1, decay: 0.9, format: format)
    for step in first..<first + steps {
      try store.beginStep(microBatches: 2)
      for microBatch in 0..<2 {
        for block in Self.table.blockIDs.reversed() {
          let values = Self.gradient(rank: world.rank, step: step, microBatch: microBatch, block)
          let target = try store.gradients(of: block).values
          for i in values.indices { target[i] += values[i] }
          try store.backwardDone(block)
        }
      }
      try store.finishReduction()
      let update = UpdateContext(number: step + 1, lr: 0.01, gradientNorm: try store.gradientNorm())
      try store.forEachOwnedPiece { piece in
        optimizer.update(piece, update)
        ema.update(piece, number: update.number)
        if let computeCopy = piece.computeCopy { round(piece.weights, into: computeCopy) }
      }
      try store.finishUpdate()
    }
  }

  /// All that a store keeps, in fp32.
  func contents(_ store: NodeParameterStore) -> [[Float]] {
    let arrays: [StateArray?] = [nil] + store.stateArrays
    return arrays.flatMap { array in
      Self.table.blockIDs.map { block in
        if let array, array.elementType == .bf16 { return store.bf16Values(array, of: block).array.map(\.float) }
        return store.fp32Values(array, of: block).array
      }
    }
  }
}

/// Initial values, the norm, the compute copies, and what a piece is.
func testStore(_ test: RankTest) throws {
  let table = RankTest.table
  let store = try test.makeStore(precision: .bf16)
  // Ranks share the making of initial values; each gets all of them.
  let alone = LocalParameters(table, gradients: false)
  for block in table.blockIDs {
    table.initialize(block, into: alone.weights(of: block), seed: 3)
    let expected = alone.weights(of: block).values.array
    test.expect(try store.weights(of: block).values.array == expected, "initial weights of block \(block.index)")
    test.expect(
      store.fp32Values(RankTest.ema, of: block).array == expected, "initial EMA of block \(block.index)")
  }
  try test.train(store, AdamW(AdamWConfig()), from: 0, steps: 3)
  for (name, array, reading) in [
    ("weights", StateArray?.none, store as any ParameterStore),
    ("EMA", RankTest.ema, try store.reading(RankTest.ema)),
  ] {
    for block in table.blockIDs {
      let values = store.fp32Values(array, of: block)
      test.expect(values.array != alone.weights(of: block).values.array, "\(name) of block \(block.index) did not change")
      for parameter in table[block].parameters {
        let copy: MatrixView<BFloat16> = try reading.weights(of: block).operand(parameter)
        let expected = values[parameter.offset..<parameter.offset + parameter.count].array.map { BFloat16($0) }
        test.expect(copy.vector.array == expected, "compute copy of the \(name) of block \(block.index)")
      }
    }
  }

  // The norm is that of the sum over all ranks, the same number everywhere.
  try store.beginStep(microBatches: test.world.rank == 0 ? 1 : 0)
  if test.world.rank == 0 {
    for block in table.blockIDs.reversed() {
      for parameter in table[block].parameters { try store.gradients(of: block)[parameter].fill(2) }
      try store.backwardDone(block)
    }
  }
  try store.finishReduction()
  let norm = try store.gradientNorm()
  test.expect(abs(norm - 2 * Double(table.parameterCount).squareRoot()) < 1e-9 * norm, "norm \(norm)")
  var same = [norm, -norm]
  try test.world.allReduce(&same, .maximum)
  test.expect(same[0] == -same[1], "the norm differs between ranks")
  try store.finishUpdate()

  // An optimizer that asks for whole matrices gets them whole, once.
  let whole = try test.makeStore(TestMomentum())
  try whole.beginStep(microBatches: 0)
  try whole.finishReduction()
  var mine = 0
  try whole.forEachOwnedPiece { piece in
    if piece.parameter.role == .matrix { test.expect(piece.rows == 0..<piece.parameter.rows, "\(piece.parameter.name) is cut") }
    mine += piece.count
  }
  try whole.finishUpdate()
  test.expect(try test.grid.node.allGather(mine).reduce(0, +) == table.parameterCount, "pieces of \(mine) values")

  // Weights that differ between nodes are found.
  if test.grid.nodeCount > 1 {
    if test.grid.node.rank == 0 && test.world.rank != 0 { try store.weights(of: BlockID(0)).values[0] += 1 }
    try test.grid.node.barrier()
    do {
      try store.verifyEqualWeights()
      test.expect(false, "a difference between nodes went unnoticed")
    } catch is DalleError {}
  }
  try test.passed("store")
}
