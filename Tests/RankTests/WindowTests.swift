import Layers
import MPI
import Memory
import Optimization
import Parallel

/// Blocks of several messages each, one of them short.
private let table: ParameterTable = {
  var table = ParameterTable()
  for (index, rows) in [600, 40, 1300, 700].enumerated() {
    _ = table.add("w\(index)", [rows, 1024], .matrix, .normal(std: 1), to: table.addBlock("block \(index)"))
  }
  return table
}()

/// Sums with few messages under way have the bits of sums that are all under way together, and no more are ever under way than is allowed.
func testWindow(_ test: RankTest) throws {
  let (node, across) = (test.grid.node, test.grid.across)
  for shard in ShardLayout.allCases {
    let partition = Partition(table, ranks: node.size, nodes: shard.spread(over: across.size))
    func make(_ byteLimit: Int) throws -> (exchange: any GradientExchange, window: MessageWindow) {
      let gradients = OwnedGradients(table, partition: partition, rank: node.rank, node: partition.nodes == 1 ? 0 : across.rank)
      if partition.nodes > 1 {
        let exchange = try ScatteredExchange(gradients, across: across, byteLimit: byteLimit)
        return (exchange, exchange.window)
      }
      let exchange = try SumExchange(gradients, across: across, byteLimit: byteLimit)
      return (exchange, exchange.window)
    }
    let longest = 4 * MessageWindow.pieceCount
    let (whole, all) = try make(.max)
    for byteLimit in [1, 5 * longest / 2] {
      let (exchange, window) = try make(byteLimit)
      for step in 0..<2 {
        for exchange in [whole, exchange] {
          exchange.beginStep(isCompressing: false)
          for block in table.blockIDs.reversed() {
            for range in exchange.gradients.ranges(of: block) {
              let values = exchange.gradients.vector(block, range)
              for i in 0..<values.count { values[i] = Float((i * 37 + across.rank * 101 + step + range.lowerBound) % 997) / 7 - 60 }
            }
            try exchange.start(block)
          }
          while try !exchange.advance() { yieldCore() }
        }
        for block in table.blockIDs {
          for range in partition.nodes > 1 ? whole.gradients.keptRanges(of: block) : whole.gradients.ranges(of: block) {
            let (sums, expected) = (exchange.gradients.vector(block, range).array, whole.gradients.vector(block, range).array)
            test.expect(sums == expected, "\(shard), \(byteLimit) bytes, step \(step), block \(block.index): other sums")
          }
        }
      }
      // A message that is longer than the limit travels alone.
      test.expect(
        window.mostBytesUnderWay <= max(byteLimit, longest), "\(window.mostBytesUnderWay) of \(byteLimit) bytes under way")
      if across.size > 1, byteLimit > longest {
        test.expect(window.mostBytesUnderWay > longest, "one message at a time: \(window.mostBytesUnderWay) of \(byteLimit) bytes")
      }
    }
    let owned = 4 * whole.gradients.floatCount
    test.expect(across.size == 1 || all.mostBytesUnderWay > owned / 4, "\(all.mostBytesUnderWay) of \(owned) bytes under way")
  }
  try test.passed("windows of messages")
}
