import Layers

/// Where the gradients of consecutive blocks lie in a rank's ring of buffers, and when their places are free again.
///
/// Blocks are finished in backward order, micro-batch after micro-batch: block `s` of a step (its sequence number) is block
/// `s mod blocks` of that order. Each takes the next place that is long enough, from the start again where the end is too near.
/// All ranks compute the same places, so that each knows where the others' gradients lie.
struct GradientRing {
  /// Floats of the ring.
  let floatCount: Int
  /// Blocks in the order in which backward passes finish them.
  let order: [BlockID]
  private let counts: [Int]

  /// The fewest blocks that a ring may hold: one is filled while its neighbour is read and a third is under way.
  static let fewestBlocks = 3

  /// - Parameter blocks: consecutive blocks that the ring holds at a time, wherever they begin; more than there are hold them all.
  init(_ table: ParameterTable, blocks: Int) {
    order = table.blockIDs.reversed()
    counts = order.map { table[$0].count }
    floatCount = Self.floatCount(table, blocks: blocks)
  }

  /// Floats of a ring that holds any `blocks` consecutive blocks.
  static func floatCount(_ table: ParameterTable, blocks: Int) -> Int {
    let counts = table.blocks.map(\.count)
    let length = min(max(blocks, fewestBlocks), counts.count)
    guard length > 0 else { return 0 }
    return (0...counts.count - length).map { counts[$0..<$0 + length].reduce(0, +) }.max()!
  }

  struct Place: Equatable {
    /// Floats of the ring.
    let range: Range<Int>
    /// The last earlier block of the step that lies on the same floats; nil where there is none.
    let predecessor: Int?
  }

  /// The places of the blocks of a step with `rounds` micro-batches, by sequence number.
  func places(rounds: Int) -> [Place] {
    var places: [Place] = []
    var start = 0
    // The newest block on each stretch of the ring, oldest first.
    var covering: [(range: Range<Int>, sequence: Int)] = []
    for sequence in 0..<rounds * order.count {
      let count = counts[sequence % order.count]
      if start + count > floatCount { start = 0 }
      let range = start..<start + count
      start += count
      let predecessor = covering.filter { $0.range.overlaps(range) }.map(\.sequence).max()
      // What is covered whole is never needed again; the rest waits for a block that it overlaps.
      covering.removeAll { range.lowerBound <= $0.range.lowerBound && $0.range.upperBound <= range.upperBound }
      if !range.isEmpty { covering.append((range, sequence)) }
      places.append(Place(range: range, predecessor: predecessor))
    }
    return places
  }
}
