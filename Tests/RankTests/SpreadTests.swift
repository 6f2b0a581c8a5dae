import Errors
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel

extension RankTest {
  /// The rows that this node keeps are those of another store, which keeps all; of the optimizer's arrays it has no others.
  func expectKept(_ store: NodeParameterStore, as whole: NodeParameterStore, within tolerance: Float = 0, _ what: String) {
    func floats(_ store: NodeParameterStore, _ array: StateArray?, _ block: BlockID) -> [Float] {
      guard let array, array.elementType == .bf16 else { return store.fp32Values(array, of: block).array }
      return store.bf16Values(array, of: block).array.map(\.float)
    }
    for array in [nil] + store.stateArrays.map(Optional.some) {
      for parameter in Self.table.parameters {
        let holders = store.holders(array, of: parameter)
        expect(
          holders.map(\.range.count).reduce(0, +) == parameter.count
            && zip(holders, holders.dropFirst()).allSatisfy { $0.range.upperBound == $1.range.lowerBound },
          "rows of \(parameter.name) are kept by nobody, or twice: \(holders)")
        let (mine, all) = (floats(store, array, parameter.block), floats(whole, array, parameter.block))
        for (node, range) in holders {
          let isKept = !store.isSpread || node == grid.across.rank || array?.placement == .summed
          let isRead = array == nil || array == RankTest.ema
          if !isKept, isRead { continue }
          let difference = range.map { abs(mine[$0] - (isKept ? all[$0] : 0)) }.max() ?? 0
          expect(
            difference <= tolerance,
            "\(what): \(array?.name ?? "weights") of \(parameter.name), node \(node): differs by \(difference)")
        }
      }
    }
  }

  /// What models read of a store is the same on all nodes.
  func expectEqualWeights(_ store: any ParameterStore, _ precision: Precision, _ what: String) throws {
    for block in Self.table.blockIDs {
      let weights = try store.weights(of: block)
      var bits: [UInt32] = []
      for parameter in Self.table[block].parameters {
        if precision == .fp32 || parameter.isReadInFP32 { bits += weights[parameter].array.map(\.bitPattern) }
        if precision == .bf16, parameter.role.isOperand {
          let operand: MatrixView<BFloat16> = weights.operand(parameter)
          bits += operand.vector.array.map { UInt32($0.bits) }
        }
      }
      let hash = bits.reduce(0) { $0 &* 31 &+ Int($1) }
      expect(Set(try world.allGather(hash)).count == 1, "\(what) of block \(block.index) differ between ranks")
    }
  }
}

/// A training whose state is spread over nodes is the training of one that each node keeps all of: up to rounding, since sums over nodes
/// have another order; to the bit where nodes apply the same low-rank factors.
func testSpread(_ test: RankTest, _ precision: Precision) throws {
  for format in ExchangeFormat.allCases {
    for optimizer in [AdamW(AdamWConfig()), TestMomentum()] as [any Optimizer] {
      let what = "\(precision), \(format), \(optimizer.state[0].name)"
      // Other rows, other factors: compared where a rank has whole matrices.
      if format == .powersgd, test.grid.node.size > 1 { continue }
      let (whole, spread) = (
        try test.makeStore(optimizer, precision: precision, exchange: RankTest.settings(format)),
        try test.makeStore(optimizer, precision: precision, exchange: RankTest.settings(format, shard: .world))
      )
      test.expect(spread.isSpread == (test.grid.nodeCount > 1), "\(what): spread over \(test.grid.nodeCount) nodes")
      test.expectKept(spread, as: whole, "\(what), at the start")
      for step in 0..<3 {
        for store in [whole, spread] { try test.train(store, optimizer, from: step, steps: 1) }
        let norms = (try whole.gradientNorm(), try spread.gradientNorm())
        test.expect(abs(norms.0 - norms.1) < (format == .bf16 ? 1e-2 : 1e-6) * norms.0, "\(what): norms \(norms)")
        try test.expectEqualWeights(spread, precision, "\(what): weights")
      }
      let tolerance: Float = format == .powersgd ? 0 : format == .bf16 ? 0.5 : 1e-3
      try spread.verifyEqualWeights()
      let ema = try spread.reading(RankTest.ema)
      try test.expectEqualWeights(ema, precision, "\(what): EMA")
      test.expectKept(spread, as: whole, within: tolerance, what)

      // Ranks without samples, and a whole node of them, take part.
      try spread.beginStep(microBatches: test.world.rank == 0 ? 1 : 0)
      if test.world.rank == 0 {
        for block in RankTest.table.blockIDs.reversed() {
          _ = try spread.weights(of: block)
          for parameter in RankTest.table[block].parameters { try spread.gradients(of: block)[parameter].fill(2) }
          try spread.backwardDone(block)
        }
      }
      try spread.finishReduction()
      try spread.forEachOwnedPiece { piece in
        optimizer.update(piece, UpdateContext(number: 4, lr: 0.01, gradientNorm: 1))
        if let computeCopy = piece.computeCopy { round(piece.weights, into: computeCopy) }
      }
      try spread.finishUpdate()
      try test.expectEqualWeights(spread, precision, "\(what): weights after a step of one rank")
    }
  }
  try test.passed("spread state, \(precision)")
}
