import Kernels
import MPI
import Memory

/// The throughput of large GEMMs while all ranks work: the most that a training can reach.
package enum GEMMPeak {
  /// FLOP/s of all ranks together. Collective.
  ///
  /// - Parameters:
  ///   - size: rows and columns of the matrices.
  ///   - count: GEMMs that are timed at a time.
  package static func measure(
    _ precision: Precision, _ world: Communicator, size: Int = 512, count: Int = 2, repeats: Int = 5
  ) throws -> Double {
    let seconds =
      precision == .bf16
      ? try seconds(BFloat16.self, world, size, count, repeats) : try seconds(Float.self, world, size, count, repeats)
    var sum = [2 * Double(count * size * size * size) / seconds]
    try world.allReduce(&sum, .sum)
    return sum[0]
  }

  private static func seconds<Element: Scalar>(
    _: Element.Type, _ world: Communicator, _ size: Int, _ count: Int, _ repeats: Int
  ) throws -> Double {
    let operands = (0..<2).map { _ in Buffer<Element>(count: size * size) }
    let result = Buffer<Float>(count: size * size)
    for operand in operands { operand.vector.fill(Element(0.5)) }
    return try medianSeconds(world, repeats) {
      for _ in 0..<count {
        matmul(
          operands[0].vector.matrix(rows: size, columns: size), operands[1].vector.matrix(rows: size, columns: size),
          transposing: .second, into: result.vector.matrix(rows: size, columns: size))
      }
    }
  }
}

/// Median seconds of a body that all ranks run at the same time; the first run is not counted. Collective.
package func medianSeconds(_ world: Communicator, _ repeats: Int, _ body: () throws -> Void) throws -> Double {
  try body()
  return try (0..<repeats).map { _ in
    try world.barrier()
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
  }.sorted()[repeats / 2]
}
