import MPI
import Parallel

/// Collectives against closed forms.
func testCollectives(_ test: RankTest) throws {
  let (world, n) = (test.world, test.world.size)
  var sums = [Double(world.rank), 1]
  try world.allReduce(&sums)
  test.expect(sums == [Double(n * (n - 1) / 2), Double(n)], "sum \(sums)")
  var extremes = [world.rank, -world.rank]
  try world.allReduce(&extremes, .maximum)
  test.expect(extremes == [n - 1, 0], "maximum \(extremes)")
  test.expect(try world.allGather(world.rank * 10) == (0..<n).map { $0 * 10 }, "gather")
  // Nine bytes, sixteen apart.
  struct Padded: BitwiseCopyable, Equatable {
    var number: Int
    var flag: Bool
  }
  let gathered = try world.allGather(Padded(number: world.rank, flag: world.rank == 1))
  test.expect(gathered == (0..<n).map { Padded(number: $0, flag: $0 == 1) }, "gather \(gathered)")
  for root in 0..<n {
    let message = Array("from \(root)".utf8)
    test.expect(try world.broadcast(world.rank == root ? message : [], from: root) == message, "broadcast from \(root)")
  }
  let grid = test.grid
  test.expect(grid.node.size * grid.nodeCount == n, "grid of \(grid.node.size) x \(grid.nodeCount)")
  test.expect((0..<7).flatMap { Array(ProcessGrid.share(of: 20, rank: $0, ranks: 7)) } == Array(0..<20), "shares")
  try test.passed("collectives")
}

/// What one rank writes, all ranks of its node read; segments have their own sizes, and may be empty.
func testNodeMemory(_ test: RankTest) throws {
  let node = test.grid.node
  let memory = try NodeMemory(node, byteCount: 5000 * node.rank)
  for rank in 0..<node.size where rank > 0 {
    let bytes = memory.segments[rank].assumingMemoryBound(to: UInt8.self)
    test.expect((0..<5000 * rank).allSatisfy { bytes[$0] == 0 }, "memory does not start as zeros")
  }
  try node.barrier()
  // Each rank writes to its neighbour's last byte.
  let next = (node.rank + 1) % node.size
  if next > 0 { memory.segments[next].storeBytes(of: UInt8(node.rank + 1), toByteOffset: 5000 * next - 1, as: UInt8.self) }
  try node.barrier()
  if node.rank > 0 {
    let value = memory.segments[node.rank].load(fromByteOffset: 5000 * node.rank - 1, as: UInt8.self)
    test.expect(value == UInt8(node.rank), "the neighbour's byte is \(value)")
  }
  try test.passed("node memory")
}
