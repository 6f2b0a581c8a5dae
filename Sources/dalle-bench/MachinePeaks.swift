import Foundation
import Kernels
import Layers
import MPI
import Memory
import Parallel
import Training

/// The throughput that the machine reaches while all ranks work, to compare a training with.
struct MachinePeaks: Codable {
  /// FLOP/s of large GEMMs, all ranks together.
  var fp32: Double
  /// Nil where the CPU has no bf16.
  var bf16: Double?
  /// Bytes/s that all ranks together read and write in `y += x` over arrays larger than the caches.
  var memory: Double
  /// Bytes/s of gradients that the ranks of a machine sum in the memory that they share, as in a training; nil for one rank.
  var allReduce: Double?

  init(_ world: Communicator, repeats: Int) throws {
    func total(_ perRank: Double) throws -> Double {
      var sum = [perRank]
      try world.allReduce(&sum, .sum)
      return sum[0]
    }
    fp32 = try GEMMPeak.measure(.fp32, world, size: 1024, count: 8, repeats: repeats)
    bf16 = Precision.bf16.isSupported ? try GEMMPeak.measure(.bf16, world, size: 1024, count: 8, repeats: repeats) : nil

    let count = 1 << 25
    let (x, y) = (Buffer<Float>(count: count), Buffer<Float>(count: count))
    // Memory that was never written is not read from memory.
    for array in [x, y] { array.vector.fill(1) }
    memory = try total(12 * Double(count) / medianSeconds(world, repeats) { add(x.vector, to: y.vector) })

    let grid = try ProcessGrid(world.splitByMemory())
    if grid.node.size > 1 { allReduce = try Self.allReduce(grid, repeats: repeats) }
  }

  /// A step's reduction of 16 million gradients, which no cache holds, in blocks of 8 MB.
  private static func allReduce(_ grid: ProcessGrid, repeats: Int) throws -> Double {
    var table = ParameterTable()
    for block in 0..<8 {
      _ = table.add("\(block)", [1024, 2048], .matrix, .constant(0), to: table.addBlock("\(block)"))
    }
    let reducer = try GradientReducer(
      table, grid: grid, partition: Partition(table, ranks: grid.node.size), blocks: table.blocks.count)
    let seconds = try medianSeconds(grid.world, repeats) {
      try reducer.beginStep(microBatches: 1)
      for block in table.blockIDs.reversed() {
        _ = try reducer.buffer(for: block)
        try reducer.markReady(block)
      }
      try reducer.finish()
    }
    return 4 * Double(table.floatCount) / seconds
  }

  func peak(_ precision: Precision) -> Double { precision == .bf16 ? bf16 ?? fp32 : fp32 }

  var text: String {
    func giga(_ value: Double) -> String { String(format: "%.0f", value / 1e9) }
    return """
      GEMM peak    fp32 \(giga(fp32)) GFLOP/s\(bf16.map { ", bf16 \(giga($0)) GFLOP/s" } ?? ", no bf16")
      memory       \(giga(memory)) GB/s\(allReduce.map { "\nall-reduce   \(String(format: "%.1f", $0 / 1e9)) GB/s of gradients" } ?? "")
      """
  }
}
