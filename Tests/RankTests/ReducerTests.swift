import Errors
import Foundation
import Kernels
import Layers
import MPI
import Memory
import Parallel

/// Gradients of any numbers of micro-batches become their sum, whatever the length of the ring and the pace of the ranks.
func testReducer(_ test: RankTest) throws {
  let (world, grid, table) = (test.world, test.grid, RankTest.table)
  let partition = Partition(table, ranks: grid.node.size)
  for blocks in [3, 4, 100] {
    let reducer = try GradientReducer(table, grid: grid, partition: partition, blocks: blocks)
    // Equal numbers, a rank without samples, one rank alone, unequal numbers, nobody.
    let counts: [(Int) -> Int] = [{ _ in 1 }, { $0 == 0 ? 0 : 2 }, { $0 == world.size - 1 ? 3 : 0 }, { $0 % 3 + 1 }, { _ in 0 }]
    for (step, count) in counts.enumerated() {
      let all = (0..<world.size).map(count)
      try reducer.beginStep(microBatches: all[world.rank])
      for microBatch in 0..<all[world.rank] {
        for block in table.blockIDs.reversed() {
          let buffer = try reducer.buffer(for: block)
          test.expect(buffer.array.allSatisfy { $0 == 0 || grid.node.size == 1 }, "the buffer of block \(block.index) is not zero")
          let values = RankTest.gradient(rank: world.rank, step: step, microBatch: microBatch, block)
          // In two parts, as a backward pass adds the gradients of several parameters.
          for i in values.indices where i % 2 == 0 { buffer[i] += values[i] }
          // Ranks that run at different paces find each other's rings full.
          if (world.rank + block.index + step) % 3 == 0 { usleep(2000) }
          let again = try reducer.buffer(for: block)
          test.expect(again.base == buffer.base, "a block's buffer moved")
          for i in values.indices where i % 2 == 1 { again[i] += values[i] }
          try reducer.markReady(block)
        }
      }
      try reducer.finish()
      for block in table.blockIDs {
        test.expect(reducer.state(of: block) == .done, "block \(block.index) is \(reducer.state(of: block))")
        reducer.exchange.complete(block)
        let expected = RankTest.sum(step: step, microBatches: all, block)
        for range in partition.ranges(of: block, rank: grid.node.rank) {
          for (i, value) in zip(range, reducer.gradient(of: block, range).array) {
            // Within a node the bits are those of adding in order; a lone rank's are those of its own accumulation. Between nodes
            // the order is MPI's: a few ulp of numbers up to 10.
            let tolerance: Float = grid.nodeCount == 1 ? 0 : 5e-6
            test.expect(
              abs(value - expected[i]) <= tolerance,
              "ring of \(blocks), step \(step), block \(block.index), float \(i): \(value), expected \(expected[i])")
          }
        }
      }
    }
  }
  try test.passed("reducer")
}

/// Sums between nodes advance while a pass computes within a block: they are complete without a word to MPI but what kernels' pauses say.
func testOverlap(_ test: RankTest) throws {
  let (grid, block) = (test.grid, RankTest.table.blockIDs.last!)
  let store = try test.makeStore()
  let expected = RankTest.sum(step: 0, microBatches: Array(repeating: 1, count: test.world.size), block)
  let owned = Partition(RankTest.table, ranks: grid.node.size).ranges(of: block, rank: grid.node.rank)
  func isSummed() -> Bool {
    owned.allSatisfy { range in
      zip(range, store.reducer.gradient(of: block, range).array).allSatisfy { abs($1 - expected[$0]) <= 5e-6 }
    }
  }
  func backward(_ block: BlockID) throws {
    let target = try store.gradients(of: block).values
    target.copy(from: RankTest.gradient(rank: test.world.rank, step: 0, microBatch: 0, block))
    try store.backwardDone(block)
  }
  try store.beginStep(microBatches: 1)
  try store.overlapping {
    try backward(block)
    let (operand, product) = (Buffer<Float>(count: 64 * 64), Buffer<Float>(count: 64 * 64))
    func multiply() {
      let square = operand.vector.matrix(rows: 64, columns: 64)
      matmul(square, square, into: product.vector.matrix(rows: 64, columns: 64))
    }
    let deadline = ContinuousClock.now + .seconds(60)
    while grid.nodeCount > 1, !isSummed(), .now < deadline {
      multiply()
      // Other ranks may need this core.
      sched_yield()
    }
  }
  test.expect(grid.nodeCount == 1 || isSummed(), "the sum of block \(block.index) did not advance between kernels")
  for block in RankTest.table.blockIDs.reversed().dropFirst() { try backward(block) }
  try store.finishReduction()
  test.expect(isSummed(), "block \(block.index) is not the sum of all ranks' gradients")
  try test.passed("overlap")
}

/// A block out of its turn is an error that names both blocks, on every rank.
func testReducerOrder(_ test: RankTest) throws {
  let table = RankTest.table
  func names(_ expected: [String], _ body: () throws -> Void) {
    do {
      try body()
      test.expect(false, "no error that names \(expected)")
    } catch let error as DalleError where error.kind == .software {
      test.expect(expected.allSatisfy { error.description.contains("`\($0)`") }, "\(error) does not name \(expected)")
    } catch { test.expect(false, "\(error)") }
  }
  let partition = Partition(table, ranks: test.grid.node.size)
  func makeReducer() throws -> GradientReducer {
    try GradientReducer(table, grid: test.grid, partition: partition, blocks: 3)
  }
  let reducer = try makeReducer()
  try reducer.beginStep(microBatches: 1)
  names(["block 0", "block 6"]) { _ = try reducer.buffer(for: BlockID(0)) }
  try reducer.markReady(BlockID(6))
  names(["block 4", "block 5"]) { try reducer.markReady(BlockID(4)) }
  names(["block 5"]) { try reducer.finish() }
  // The step goes on from there: sums between nodes that one rank has begun, its partners must begin, too.
  for block in table.blockIDs.reversed().dropFirst() { try reducer.markReady(block) }
  try reducer.finish()
  names(["block 6"]) { _ = try reducer.buffer(for: BlockID(6)) }

  let second = try makeReducer()
  try second.beginStep(microBatches: 0)
  names(["block 6"]) { _ = try second.buffer(for: BlockID(6)) }
  try second.finish()

  // Ranks whose models differ are found before a step.
  if test.world.size > 1 {
    var other = table
    if test.world.rank == 1 { _ = other.addBlock("extra") }
    do {
      _ = try GradientReducer(other, grid: test.grid, partition: Partition(other, ranks: test.grid.node.size), blocks: 3)
      test.expect(false, "different models went unnoticed")
    } catch let error as DalleError where error.kind == .software {}
  }
  try test.passed("reducer's order")
}
