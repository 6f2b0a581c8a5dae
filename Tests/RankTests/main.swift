// Tests that need several ranks: run under mpirun with 1 to 4 of them by Tests/RankTests/run.
// usage: rank-tests SCRATCH_FOLDER [RANKS_PER_NODE]
import Checkpoint
import Foundation
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel
import Random

let world = try Communicator.world()
let scratch = CommandLine.arguments[1]
let ranksPerNode = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2])! : 0

/// Ends the whole job if the condition fails on any rank.
@MainActor func expect(_ condition: Bool, _ what: String, line: Int = #line) {
  if !condition {
    print("rank \(world.rank) of \(world.size): line \(line): \(what)")
    world.abort(1)
  }
}

@MainActor func passed(_ name: String) throws {
  try world.barrier()
  if world.rank == 0 {
    FileHandle.standardOutput.write(Data("ok \(name) (\(world.size) ranks, ranksPerNode \(ranksPerNode))\n".utf8))
  }
}

// Collectives against closed forms.
let n = world.size
var sums = [Double(world.rank), 1]
try world.allReduce(&sums)
expect(sums == [Double(n * (n - 1) / 2), Double(n)], "sum \(sums)")
var extremes = [world.rank, -world.rank]
try world.allReduce(&extremes, .maximum)
expect(extremes == [n - 1, 0], "maximum \(extremes)")
expect(try world.allGather(world.rank * 10) == (0..<n).map { $0 * 10 }, "gather")
for root in 0..<n {
  let message = Array("from \(root)".utf8)
  expect(try world.broadcast(world.rank == root ? message : [], from: root) == message, "broadcast from \(root)")
}
try passed("collectives")

// Threads are set for a whole process, which tests that run side by side in one cannot do. They must not change a bit.
@MainActor func onThreads<Element: Scalar>(_: Element.Type, _ threads: Int) -> [Float] {
  setThreads(threads)
  defer { setThreads(1) }
  func matrix(_ rows: Int, _ columns: Int, _ stream: UInt64) -> MatrixView<Element> {
    let values = Buffer<Float>(count: rows * columns)
    fillNormal(values.vector, seed: 1, stream: stream, standardDeviation: 1)
    let result = MatrixView(.allocate(capacity: values.count), rows: rows, columns: columns) as MatrixView<Element>
    for index in 0..<values.count { result.base[index] = Element(values[index]) }
    return result
  }
  var results: [Float] = []
  // More than 65,536 numbers, and columns that threads cannot share in equal runs of 16.
  let a = matrix(3, 130, 1)
  for isTransposed in [false, true] {
    let product = Buffer<Float>(count: 3 * 1003)
    let into = product.vector.matrix(rows: 3, columns: 1003)
    product.vector.fill(.nan)
    if isTransposed {
      multiply(a, matrix(1003, 130, 2).transposed, into: into)
    } else {
      multiply(a, matrix(130, 1003, 3), into: into)
    }
    results += product.array
  }
  let (width, text, kept, pictures) = (32, 5, 4, 3)
  let (arena, attention) = Arena.layOut {
    CachedAttention<Element>(&$0, width: width, heads: 2, textLength: text, pictures: pictures, imageKeys: kept)
  }
  let output = matrix(pictures, width, 4)
  withExtendedLifetime(arena) {
    attention.step(
      matrix(pictures, width, 5), textKeys: matrix(text, width, 6), textValues: matrix(text, width, 7),
      imageKeys: matrix(pictures * kept, width, 8), imageValues: matrix(pictures * kept, width, 9), seen: [0, 2, 3], into: output)
  }
  return results + (0..<output.rows * width).map { output.base[$0].float }
}
for threads in [2, 3] {
  expect(onThreads(Float.self, threads) == onThreads(Float.self, 1), "fp32 on \(threads) threads")
  expect(onThreads(BFloat16.self, threads) == onThreads(BFloat16.self, 1), "bf16 on \(threads) threads")
}
expect(onThreads(Float.self, 1).allSatisfy(\.isFinite), "places that nothing was written to")
try passed("threads")

let grid = try ProcessGrid(world, ranksPerNode: ranksPerNode)
expect(grid.node.size * grid.nodeCount == n, "grid of \(grid.node.size) x \(grid.nodeCount)")
expect((0..<7).flatMap { Array(ProcessGrid.share(of: 20, rank: $0, ranks: 7)) } == Array(0..<20), "shares")

// A model of three blocks, one of them smaller than a slice for every rank.
var table = ParameterTable()
for (index, size) in [1000, 16, 70_000].enumerated() {
  let block = table.addBlock("block \(index)")
  _ = table.add("w\(index)", [size], .matrix, .normal(standardDeviation: 1), to: block)
}

@MainActor func makeParameters() throws -> SharedParameters {
  let parameters = try SharedParameters(
    table, grid: grid, states: [StateNames.firstMoment, StateNames.secondMoment, StateNames.average])
  try parameters.initialize(seed: 3, averages: [StateNames.average])
  return parameters
}

/// The gradient of global rank `rank` in step `step`.
@MainActor func gradient(_ rank: Int, _ step: Int, _ block: BlockID) -> [Float] {
  let values = Buffer<Float>(count: table[block].parameters[0].count)
  let stream = RandomStream(seed: 9, UInt64(rank), UInt64(step), UInt64(block.index)).stream
  fillNormal(values.vector, seed: 9, stream: stream, standardDeviation: 1)
  return values.array
}

/// One step in which every rank brings its gradient in two micro-batches.
@MainActor func step(_ parameters: SharedParameters, _ number: Int, update: (SharedParameters) throws -> Void) throws {
  parameters.beginStep()
  for half in 0..<2 {
    parameters.publishes = half == 1
    for block in table.blockIDs.reversed() {
      let values = gradient(world.rank, number, block)
      let target = parameters.gradients(of: block).values
      for i in values.indices { target[i] += half == 0 ? values[i] * 0.25 : values[i] * 0.75 }
      try parameters.backwardDone(block)
    }
  }
  try parameters.finishReduction()
  try update(parameters)
  try parameters.finishUpdate()
}

let parameters = try makeParameters()
// Ranks share the making of start values; each gets all of them.
let alone = LocalParameters(table, gradients: false)
for block in table.blockIDs {
  table.initialize(block, into: alone.weights(of: block), seed: 3)
  let expected = alone.weights(of: block).values.array
  expect(parameters.weights(of: block).values.array == expected, "start values of block \(block.index)")
  expect(parameters.values(StateNames.average, block).values.array == expected, "average of block \(block.index) at the start")
}

// The reduced gradient is the sum over all ranks; within one node its bits are those of adding in rank order.
try step(parameters, 0) { parameters in
  var squares = 0.0
  for block in table.blockIDs {
    let all = (0..<n).map { gradient($0, 0, block).map { 0 + $0 * 0.25 + $0 * 0.75 } }
    let serial = all.dropFirst().reduce(all[0]) { zip($0, $1).map(+) }
    squares += serial.reduce(0) { $0 + Double($1) * Double($1) }
    parameters.forEachOwnedSlice { slice in
      guard slice.block == block else { return }
      for (offset, i) in slice.range.enumerated() where i < serial.count {
        let difference = abs(slice.gradient[offset] - serial[i])
        // Between nodes the order of the sum is MPI's: a few ulp.
        expect(difference <= (grid.nodeCount == 1 ? 0 : 2e-6), "gradient \(i) of block \(block.index) is off by \(difference)")
      }
    }
  }
  let sum = try parameters.globalSumOfSquares()
  expect(abs(sum - squares) < 1e-6 * squares, "sum of squares \(sum), expected \(squares)")
  var same = [sum, -sum]
  try world.allReduce(&same, .maximum)
  expect(same[0] == -same[1], "the norm differs between ranks")
}
for block in table.blockIDs {
  expect(parameters.gradients(of: block).values.array.allSatisfy { $0 == 0 }, "gradients are not cleared")
}
try passed("reduction")

// A rank without samples counts as finished with a zero gradient.
parameters.beginStep()
if world.rank == 0 {
  parameters.publishes = true
  for block in table.blockIDs.reversed() {
    parameters.gradients(of: block).values.fill(1)
    try parameters.backwardDone(block)
  }
} else {
  try parameters.publishNothing()
}
try parameters.finishReduction()
expect(try parameters.globalSumOfSquares() == Double(table.floatCount), "only rank 0 had samples")
try parameters.finishUpdate()
try passed("idle ranks")

/// Trains `steps` updates from `first`.
@MainActor func train(_ parameters: SharedParameters, from first: Int, steps: Int) throws {
  for number in first..<first + steps {
    try step(parameters, number) { parameters in
      let norm = try parameters.globalSumOfSquares().squareRoot()
      let optimizer = AdamW(AdamWConfig(), update: number + 1, rate: 0.01, gradientNorm: norm)
      parameters.forEachOwnedSlice { slice in
        optimizer.update(
          table[slice.block], range: slice.range, weights: slice.weights, gradient: slice.gradient,
          mean: slice.states[0], variance: slice.states[1], average: (values: slice.states[2], decay: 0.9))
      }
    }
  }
}

@MainActor func contents(_ parameters: SharedParameters) -> [[Float]] {
  [nil, StateNames.firstMoment, StateNames.secondMoment, StateNames.average].flatMap { state in
    table.blockIDs.map { parameters.values(state, $0).values.array }
  }
}

// Save, load, go on: the bits of a run that was never stopped. Retention keeps two, and multiples of four.
struct Progress: Codable, Equatable {
  var step: Int
}
let folder = scratch + "/\(n)-\(ranksPerNode)"
let whole = try makeParameters()
try train(whole, from: 0, steps: 9)
do {
  let store = try CheckpointStore(folder: folder, grid: grid, keepLast: 2, keepEvery: 4)
  let first = try makeParameters()
  expect(try store.loadLatest(Progress.self, into: first) == nil, "a new folder has no checkpoint")
  for number in 0..<7 {
    try train(first, from: number, steps: 1)
    try store.save(step: number + 1, parameters: first, state: Progress(step: number + 1))
    try store.waitUntilRead()
  }
  try store.finish()
  expect(try CheckpointStore.steps(in: folder) == [4, 6, 7], "kept \(try CheckpointStore.steps(in: folder))")
}
do {
  let store = try CheckpointStore(folder: folder, grid: grid, keepLast: 2, keepEvery: 4)
  let second = try makeParameters()
  expect(try store.loadLatest(Progress.self, into: second) == Progress(step: 7), "progress")
  try train(second, from: 7, steps: 2)
  try second.verifyEqualWeights()
  expect(contents(second) == contents(whole), "resumed bits differ from those of the whole run")
}
try passed("resume")

// A checkpoint of one rank is one of any number: the arrays are the same to the bit.
if n > 1 {
  let other = try CheckpointStore(folder: scratch + "/one", grid: grid, keepLast: 2, keepEvery: 0)
  let loaded = try makeParameters()
  let progress = try other.loadLatest(Progress.self, into: loaded)
  expect(progress == Progress(step: 1), "the checkpoint of one rank")
  for (index, name) in [nil, StateNames.firstMoment, StateNames.secondMoment, StateNames.average].enumerated() {
    for block in table.blockIDs {
      let values = loaded.values(name, block)[table[block].parameters[0]].array
      expect(values == values.indices.map { Float($0 + index) }, "array \(index) of block \(block.index)")
    }
  }
  try passed("resharding")
} else {
  let made = try makeParameters()
  for (index, name) in [nil, StateNames.firstMoment, StateNames.secondMoment, StateNames.average].enumerated() {
    for block in table.blockIDs {
      let values = made.values(name, block)[table[block].parameters[0]]
      for i in 0..<values.count { values[i] = Float(i + index) }
    }
  }
  let store = try CheckpointStore(folder: scratch + "/one", grid: grid, keepLast: 2, keepEvery: 0)
  try store.save(step: 1, parameters: made, state: Progress(step: 1))
  try store.finish()
}

// Weights that differ between nodes are found.
if grid.nodeCount > 1 {
  if grid.node.rank == 0 && world.rank != 0 { parameters.weights(of: BlockID(0)).values[0] += 1 }
  try grid.node.barrier()
  do {
    try parameters.verifyEqualWeights()
    expect(false, "a difference between nodes went unnoticed")
  } catch is GridError {}
  try passed("hash")
}

// Damage is refused by name.
if world.rank == 0 {
  let file = folder + "/step-00000007/model.safetensors"
  let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
  var damaged = bytes
  damaged[damaged.count - 5] ^= 1
  try damaged.write(to: URL(fileURLWithPath: file))
}
try world.barrier()
if n == 1 {
  do {
    let store = try CheckpointStore(folder: folder, grid: grid, keepLast: 2, keepEvery: 4)
    _ = try store.loadLatest(Progress.self, into: parameters)
    expect(false, "a damaged checkpoint was loaded")
  } catch let error as CheckpointError {
    expect(error.description.contains("model.safetensors"), "\(error)")
  }
  try passed("damage")
}
try world.barrier()
try Communicator.finalize()
