import Foundation
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel
import Random

/// What the tests share: the ranks, and how they report.
struct RankTest {
  let world: Communicator
  let grid: ProcessGrid
  let ranksPerNode: Int
  let scratch: String

  /// Ends the whole job if the condition fails on any rank.
  func expect(_ condition: Bool, _ what: @autoclosure () -> String, file: String = #fileID, line: Int = #line) {
    if condition { return }
    print("rank \(world.rank) of \(world.size): \(file):\(line): \(what())")
    world.abort(1)
  }

  /// Called by all ranks at the end of a test.
  func passed(_ name: String) throws {
    try world.barrier()
    if world.rank == 0 { print("ok \(name) (\(world.size) ranks, ranksPerNode \(ranksPerNode))") }
  }

  func print(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

  /// A model of seven blocks: some smaller than a part for every rank, some whose rows fill no whole cache line.
  static let table: ParameterTable = {
    var table = ParameterTable()
    for (index, shape) in [[1000], [16], [700, 100], [90, 3, 7], [5], [64, 80], [301, 17]].enumerated() {
      let block = table.addBlock("block \(index)")
      _ = table.add("w\(index)", shape, .matrix, .normal(std: 1), to: block)
      if index % 2 == 0 { _ = table.add("b\(index)", [7], .bias, .constant(0.5), to: block) }
    }
    return table
  }()

  /// The gradient of a block as a rank brings it in a micro-batch of a step; padding is 0.
  static func gradient(rank: Int, step: Int, microBatch: Int, _ block: BlockID) -> [Float] {
    let values = Buffer<Float>(count: table[block].count)
    let stream = RandomStream(seed: 9, UInt64(rank), UInt64(1000 * step + microBatch), UInt64(block.index)).stream
    for parameter in table[block].parameters {
      let part = values.vector[parameter.offset..<parameter.offset + parameter.count]
      fillNormal(part, seed: 9, stream: stream &+ UInt64(parameter.offset), std: 1)
    }
    return values.array
  }

  /// The sum over micro-batches and ranks, in the order that one node adds in.
  static func sum(step: Int, microBatches: [Int], _ block: BlockID) -> [Float] {
    var sum = [Float](repeating: 0, count: table[block].count)
    var isFirst = true
    for microBatch in 0..<(microBatches.max() ?? 0) {
      for rank in microBatches.indices where microBatches[rank] > microBatch {
        let values = gradient(rank: rank, step: step, microBatch: microBatch, block)
        sum = isFirst ? values : zip(sum, values).map(+)
        isFirst = false
      }
    }
    return sum
  }
}

/// Momentum in bf16, and matrices that must stay whole: what no optimizer of the sources needs.
struct TestMomentum: Optimizer {
  static let velocity = StateArray("velocity", .bf16)
  var state: [StateArray] { [Self.velocity] }

  func granularity(of parameter: Parameter) -> UpdateGranularity { parameter.role == .matrix ? .whole : .rows }

  func update(_ piece: ParameterPiece, _ context: UpdateContext) {
    let velocity = piece.bf16Values(Self.velocity)
    for i in 0..<piece.count {
      velocity[i] = BFloat16(0.9 * velocity[i].float + piece.gradient[i])
      piece.weights[i] -= Float(context.lr) * velocity[i].float
    }
  }
}
