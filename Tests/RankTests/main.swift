// Tests that need several ranks: run under mpirun with 1 to 4 of them by Tests/RankTests/run.
// usage: rank-tests SCRATCH_FOLDER [RANKS_PER_NODE]
import Kernels
import MPI
import Parallel

let world = try Communicator.world()
let ranksPerNode = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2])! : 0
let test = RankTest(
  world: world, grid: try ProcessGrid(world, ranksPerNode: ranksPerNode), ranksPerNode: ranksPerNode,
  scratch: CommandLine.arguments[1])

try testCollectives(test)
try testNodeMemory(test)
try testThreads(test)
try testReducer(test)
try testReducerOrder(test)
try testOverlap(test)
try testStore(test)
try testRoundedEMA(test)
try testWindow(test)
for shard in ShardLayout.allCases { try testSums(test, shard) }
for precision in [Precision.fp32, .bf16] { try testSpread(test, precision) }
for isWarm in [false, true] { try testCompression(test, isWarm: isWarm) }
try testFullRank(test)
try testNonFiniteGradients(test)
for shard in ShardLayout.allCases { try testResume(test, shard) }
try testOtherLayout(test)
try testOtherRanks(test)
for isWarm in [false, true] { try testResumeCompressed(test, isWarm: isWarm) }
try testErrorsOnOtherNodes(test)
try testAveraging(test)
for format in [ExchangeFormat.fp32, .bf16] { try testRounds(test, format) }
try testResumeLocal(test)
try testOtherNodes(test)
try testDamage(test)
try testIncompleteCheckpoints(test)
if world.rank == 0 { test.print("done") }
try world.barrier()
try Communicator.finalize()
