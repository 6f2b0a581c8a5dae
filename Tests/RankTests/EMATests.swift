import Checkpoint
import Kernels
import Layers
import Memory
import Optimization
import Parallel
import Safetensors

private struct Progress: Codable, Equatable { var step: Int }

/// An EMA in bf16: models read it in place of the weights, whichever precision they read and wherever rows are kept, it follows that in
/// fp32, and checkpoints keep its bits.
func testRoundedEMA(_ test: RankTest) throws {
  let (table, optimizer) = (RankTest.table, AdamW(AdamWConfig()))
  let rounded = ExponentialMovingAverage(every: 1, decay: 0.9, format: .bf16).state
  for precision in [Precision.fp32, .bf16] {
    for shard in ShardLayout.allCases {
      let what = "EMA in bf16, \(precision), \(shard)"
      let exchange = RankTest.settings(.fp32, shard: shard)
      let exact = try test.makeStore(optimizer, precision: precision)
      let store = try test.makeStore(optimizer, others: rounded, precision: precision, exchange: exchange)
      for training in [exact, store] { try test.train(training, optimizer, from: 0, steps: 5) }
      let reading = try store.reading(rounded[0])
      try test.expectEqualWeights(reading, precision, what)
      for parameter in table.parameters {
        let range = parameter.offset..<parameter.offset + parameter.count
        let expected = exact.fp32Values(RankTest.ema, of: parameter.block)[range].array
        let weights = try reading.weights(of: parameter.block)
        var read: [[Float]] = []
        if precision == .fp32 || parameter.isReadInFP32 { read.append(weights[parameter].array) }
        if precision == .bf16, parameter.role.isOperand {
          let operand: MatrixView<BFloat16> = weights.operand(parameter)
          read.append(operand.vector.array.map(\.float))
        }
        test.expect(!read.isEmpty, "\(what): nobody reads \(parameter.name)")
        // Five roundings to eight bits, each of a number that the next ones forget by a tenth.
        for values in read {
          let worst = zip(values, expected).map { abs($0 - $1) / max(0.01, abs($1)) }.max() ?? 0
          test.expect(worst < 5.0 / 128, "\(what): \(parameter.name) is off by \(worst)")
          test.expect(values.allSatisfy { BFloat16($0).float == $0 }, "\(what): \(parameter.name) has other numbers than the array")
        }
      }

      let folder = "\(test.scratch)/ema-\(test.world.size)-\(test.ranksPerNode)-\(precision)-\(shard)"
      let checkpoints = try CheckpointStore(folder: folder, grid: test.grid, keepLast: 1, keepEvery: 0)
      try checkpoints.save(step: 5, parameters: store, state: Progress(step: 5))
      try checkpoints.finish()
      try test.world.barrier()
      let loaded = try test.makeStore(optimizer, others: rounded, precision: precision, exchange: exchange)
      _ = try checkpoints.loadLatest(Progress.self, into: loaded)
      let saved = table.parameters.map { parameter in
        let range = parameter.offset..<parameter.offset + parameter.count
        return loaded.bf16Values(rounded[0], of: parameter.block)[range].array.map(\.float)
      }
      test.expectKept(loaded, as: store, "\(what), loaded")
      for training in [store, loaded] { try test.train(training, optimizer, from: 5, steps: 1) }
      test.expectKept(loaded, as: store, "\(what), after a step more")
      // Another format is refused by name.
      if test.world.size == 1 {
        do {
          _ = try checkpoints.loadLatest(Progress.self, into: exact)
          test.expect(false, "\(what): read as fp32")
        } catch {
          test.expect("\(error)".contains("has `ema` as BF16") && "\(error)".contains("set ema.format"), "\(what): \(error)")
        }
        let path = test.scratch + "/ema.safetensors"
        try CheckpointStore.exportWeights(in: folder, averaged: true, to: path)
        let file = try SafetensorsReader(path)
        for (parameter, expected) in zip(table.parameters, saved) {
          let values = Buffer<Float>(count: parameter.count)
          try file.read(
            parameter.name, shape: parameter.shape, into: UnsafeMutableBufferPointer(start: values.base, count: parameter.count))
          test.expect(values.array == expected, "\(what): \(parameter.name) of the model")
        }
      }
      // What is not finite is not written, and only the coordinator of a node that has all of it writes.
      if store.isSpread { continue }
      try test.world.barrier()
      let block = table.parameters[2].block
      if test.grid.node.rank == 0 { store.bf16Values(rounded[0], of: block)[table.parameters[2].offset + 3] = BFloat16(.infinity) }
      try test.grid.node.barrier()
      try checkpoints.save(step: 7, parameters: store, state: Progress(step: 7))
      test.expectDiverged(checkpoints, table.parameters[2])
    }
  }
  try test.passed("EMA in bf16")
}
