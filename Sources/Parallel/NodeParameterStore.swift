import Errors
import Kernels
import Layers
import MPI
import Memory
import Monitoring
import Optimization
import Random

/// The parameters of a model that several ranks train: weights, their compute copy and the training state once per node, gradients
/// in each rank's ring.
///
/// A step: `beginStep`, forward and backward passes, `finishReduction`, an update of every owned piece, `finishUpdate`. With local
/// updates each node has weights and optimizer state of its own, and `finishRound` makes the weights equal.
///
/// Where the state is spread over nodes, a node keeps weights and state of some rows, and gets of the others what models read. Arrays
/// have room for all rows everywhere; what a node never writes takes no memory.
package final class NodeParameterStore: ParameterStore {
  package let table: ParameterTable
  package let grid: ProcessGrid
  /// The arrays that are kept beside the weights.
  package let stateArrays: [StateArray]
  /// Of this rank. The store measures the wait for other ranks' gradients, sums, and where the backward pass begins.
  package let clock: PhaseClock

  private let partition: Partition
  private let granularity: (Parameter) -> UpdateGranularity
  private let precision: Precision
  private let weightArray: NodeArray<Float>
  private let computeCopy: NodeArray<BFloat16>?
  private let fp32States: [StateArray: NodeArray<Float>]
  /// Arrays in formats of 16 bits.
  private let halfStates: [StateArray: NodeArray<UInt16>]
  package let reducer: GradientReducer
  /// Nil where every node keeps all rows.
  private let gather: WeightGather?
  /// Of states that are read in place of the weights; made when they are first read.
  private var stateGathers: [StateArray: WeightGather] = [:]
  /// Nil where nodes sum their gradients in every step.
  let local: LocalUpdates?
  /// Compute copies of fp32 states that are read in place of the weights, and what is read in fp32 of bf16 states; made when they are first
  /// read.
  private var stateCopies: [StateArray: NodeArray<BFloat16>] = [:]
  private var widenedStates: [StateArray: NodeArray<Float>] = [:]

  /// Messages advance as often: at 1 Gbit/s 125 kB arrive in the meantime, as much as sockets hold.
  private static let progressInterval = Duration.milliseconds(1)

  /// Floats of a piece that several passes go over at a time: three or four arrays of them fit a core's second cache.
  private static let chunkCount = 8192

  /// Collective.
  ///
  /// - Parameters:
  ///   - optimizer: says what is kept and what must stay together.
  ///   - others: further arrays to keep, such as `ExponentialMovingAverage.state`.
  ///   - precision: for bf16 a compute copy of the weights is kept.
  ///   - gradientBlocks: blocks whose gradients a rank holds at a time; see `GradientRing`.
  ///   - exchange: what nodes keep, and how they sum gradients; its state is kept, too.
  ///   - overlaps: false holds that back until the backward pass is done: to measure what that costs.
  package init(
    _ table: ParameterTable, grid: ProcessGrid, optimizer: any Optimizer, others: [StateArray] = [], precision: Precision = .fp32,
    gradientBlocks: Int, exchange: ExchangeSettings = ExchangeSettings(), overlaps: Bool = true, clock: PhaseClock = PhaseClock()
  ) throws {
    self.table = table
    self.grid = grid
    self.precision = precision
    self.clock = clock
    granularity = { optimizer.granularity(of: $0) }
    let stateArrays = optimizer.state + others + exchange.state
    precondition(Set(stateArrays.map(\.name)).count == stateArrays.count, "two state arrays have one name")
    self.stateArrays = stateArrays
    partition = Partition(
      table, ranks: grid.node.size, nodes: exchange.shard.spread(over: grid.nodeCount), granularity: granularity)
    weightArray = try NodeArray(table, node: grid.node)
    computeCopy = precision == .bf16 ? try NodeArray(table, node: grid.node) : nil
    var (fp32States, halfStates): ([StateArray: NodeArray<Float>], [StateArray: NodeArray<UInt16>]) = ([:], [:])
    for array in stateArrays {
      switch array.elementType {
      case .fp32: fp32States[array] = try NodeArray(table, node: grid.node)
      case .bf16, .float169, .float610: halfStates[array] = try NodeArray(table, node: grid.node)
      }
    }
    (self.fp32States, self.halfStates) = (fp32States, halfStates)
    reducer = try GradientReducer(
      table, grid: grid, partition: partition, blocks: gradientBlocks, exchange: exchange,
      errors: fp32States[PowerSGDExchange.errors], overlaps: overlaps, clock: clock)
    local = try LocalUpdates(exchange, reducer.owned, grid: grid, clock: clock)
    gather =
      partition.nodes == 1
      ? nil : try WeightGather(table, grid: grid, partition: partition, values: weightArray, copy: computeCopy, clock: clock)
  }

  /// Whether nodes keep different rows.
  package var isSpread: Bool { gather != nil }

  private var ownNode: Int { isSpread ? grid.across.rank : 0 }

  /// The rows that this rank keeps and updates.
  private func keptPieces(of block: BlockID) -> [Partition.Piece] {
    partition.pieces(of: block, rank: grid.node.rank, node: ownNode)
  }

  // MARK: What the model asks for

  package func prefetch(_ block: BlockID) throws { try gather?.advance() }

  package func weights(of block: BlockID) throws -> BlockValues {
    try gather?.wait(for: block)
    return BlockValues(weightArray.values(of: block), computeCopy: computeCopy?.values(of: block))
  }

  package func gradients(of block: BlockID) throws -> BlockValues {
    clock.enter(.backward)
    return BlockValues(try reducer.buffer(for: block))
  }

  package func backwardDone(_ block: BlockID) throws { try reducer.markReady(block) }

  // MARK: A step

  /// Begins a step in which this rank has `microBatches` micro-batches, 0 where it has no samples. Collective over the node.
  ///
  /// - Parameter isCompressing: false asks for sums as exact as in fp32, of an exchange that can choose.
  package func beginStep(microBatches: Int, isCompressing: Bool = true) throws {
    try reducer.beginStep(microBatches: microBatches, isCompressing: isCompressing)
  }

  /// Does passes over the blocks; messages between nodes advance meanwhile.
  package func overlapping<Result>(_ passes: () throws -> Result) throws -> Result {
    guard grid.nodeCount > 1 else { return try passes() }
    nonisolated(unsafe) let store = self
    nonisolated(unsafe) var failure: (any Error)?
    let pauses = KernelPauses(every: Self.progressInterval) {
      guard failure == nil else { return }
      do {
        try store.gather?.advance()
        try store.reducer.progress()
      } catch { failure = error }
    }
    let result = try pauses.use(passes)
    if let failure { throw failure }
    return result
  }

  /// Waits until the gradients of this rank's rows are summed over all ranks; with local updates, over those of the node.
  package func finishReduction() throws {
    // A rank without samples has waited for no block.
    try gather?.finish()
    try reducer.finish()
  }

  /// Norm of the whole gradient: the same number on every rank; with local updates, on every rank of the node. Collective.
  package func gradientNorm() throws -> Double {
    let mine = table.blockIDs.reduce(0) { $0 + reducer.exchange.sumOfSquares($1) }
    // The ranks of a node hold all sums, unless each node has those of its rows; adding in rank order gives every rank the same bits.
    return try (reducer.exchange.isScattered ? grid.world : grid.node).allGather(mine).reduce(0, +).squareRoot()
  }

  /// The first block whose gradient is not finite, by name; nil if there is none. Collective.
  package func firstNonFiniteBlock() throws -> String? {
    let mine = table.blockIDs.first { !reducer.exchange.isFinite($0) }
    var first = [mine?.index ?? .max]
    try grid.world.allReduce(&first, .minimum)
    return first[0] == .max ? nil : table[BlockID(first[0])].name
  }

  /// Calls `body` for all that this rank keeps, with gradients summed over all ranks. Pieces that need not stay whole come in chunks that
  /// stay in the cache, so that optimizer, EMA and compute copy read memory once. A step whose update is not applied does without.
  package func forEachOwnedPiece(_ body: (ParameterPiece) -> Void) throws {
    for block in table.blockIDs {
      reducer.exchange.complete(block)
      forEachOwnedPiece(of: block, body)
      try gather?.start(block)
    }
  }

  /// The same for a block, with whatever lies where its gradients do.
  func forEachOwnedPiece(of block: BlockID, _ body: (ParameterPiece) -> Void) {
    for owned in keptPieces(of: block) {
      let piece = piece(owned, gradient: reducer.gradient(of: block, owned.range))
      if granularity(owned.parameter) == .whole {
        body(piece)
      } else {
        piece.forEachChunk(of: Self.chunkCount, body)
      }
    }
  }

  /// The update is done: waits until all ranks of the node have come here. Collective over the node.
  package func finishUpdate() throws { try grid.node.barrier() }

  // MARK: Start and check

  /// Initial values of the weights, and of the state. Collective.
  ///
  /// - Parameters:
  ///   - seed: decides those of the parameters that `given` has none for.
  ///   - given: a parameter's values from elsewhere, the same on all ranks.
  package func initialize(seed: UInt64, given: (Parameter) -> Vector? = { _ in nil }) throws {
    for block in table.blockIDs {
      for owned in keptPieces(of: block) {
        let (parameter, range) = (owned.parameter, owned.range)
        let weights = weightArray.values(of: block)[range]
        let first = range.lowerBound - parameter.offset
        if let values = given(parameter) {
          weights.copy(from: values[first..<first + range.count])
        } else {
          table.initialize(parameter, from: first, into: weights, seed: seed)
        }
      }
    }
    for array in stateArrays where array.initialValue == .weights { restart(array) }
    try refreshComputeCopy()
  }

  /// Gives an array that begins with the weights those of now, or the values of another array, in the rows that this rank keeps.
  package func restart(_ array: StateArray, from source: StateArray? = nil) {
    precondition(array.initialValue == .weights, "`\(array.name)` does not begin with the weights")
    for block in table.blockIDs {
      for owned in keptPieces(of: block) {
        let weights = fp32Values(source, of: block)[owned.range]
        switch array.elementType {
        case .fp32: fp32Values(array, of: block)[owned.range].copy(from: weights)
        case .bf16: round(weights, into: bf16Values(array, of: block)[owned.range])
        case .float169, .float610: preconditionFailure("weights in \(array.elementType.rawValue)")
        }
      }
    }
  }

  /// Makes what models read current after the weights were changed from outside. Collective.
  package func refreshComputeCopy() throws { try refresh(from: weightArray, to: computeCopy, gather) }

  private func refresh(from values: NodeArray<Float>, to copy: NodeArray<BFloat16>?, _ gather: WeightGather?) throws {
    try refresh(gather) { piece in
      let (block, range) = (piece.parameter.block, piece.range)
      if let copy { round(values.values(of: block)[range], into: copy.values(of: block)[range]) }
    }
  }

  /// Makes what models read of the rows that this rank keeps, and gathers the others. Collective.
  private func refresh(_ gather: WeightGather?, _ make: (Partition.Piece) -> Void) throws {
    try gather?.finish()
    try grid.node.barrier()
    for block in table.blockIDs {
      keptPieces(of: block).forEach(make)
      try gather?.start(block)
    }
    try gather?.finish()
    try grid.node.barrier()
  }

  /// Throws unless models read the same weights on all nodes; with local updates, unless rounds begin with the same. Collective.
  package func verifyEqualWeights() throws {
    try gather?.finish()
    try grid.node.barrier()
    var hash = fnv1a([UInt32]())
    for block in table.blockIDs {
      for piece in partition.pieces(of: block, rank: grid.node.rank) {
        // In fp32 a node has other rows than those that it keeps where models read them so.
        if isSpread, let computeCopy, !piece.parameter.isReadInFP32 {
          let weights = computeCopy.values(of: block)[piece.range]
          hash = fnv1a((0..<weights.count).lazy.map { UInt32(weights[$0].bits) }, after: hash)
        } else {
          let weights = fp32Values(isLocal ? OuterOptimizer.weights : nil, of: block)[piece.range]
          hash = fnv1a((0..<weights.count).lazy.map { weights[$0].bitPattern }, after: hash)
        }
      }
    }
    let hashes = try grid.across.allGather(hash)
    let different = hashes.indices.filter { hashes[$0] != hashes[0] }
    var anywhere = [different.count]
    try grid.world.allReduce(&anywhere, .maximum)
    guard anywhere[0] == 0 else {
      let nodes = different.isEmpty ? "" : ": nodes \(different.map(String.init).joined(separator: ", ")) from node 0"
      throw DalleError(
        .unavailable,
        "the weights differ between nodes\(nodes); a machine computes or remembers wrongly: resume from the newest checkpoint without it"
      )
    }
  }

  // MARK: Reading and writing what is kept

  /// Brings what nodes have sums of to the first node, from which a checkpoint is written, and waits for weights on their way.
  /// Collective.
  package func settle() throws {
    try gather?.finish()
    try reducer.exchange.settle()
    try grid.node.barrier()
  }

  /// Bytes of the weights and of all state arrays, of all nodes where each has its own: what a checkpoint takes.
  package var keptByteCount: Int {
    let bytes = Self.bytesPerParameter(stateArrays, isLocal: isLocal)
    return table.parameterCount * (bytes.common + bytes.own * (isLocal ? grid.nodeCount : 1))
  }

  /// Bytes per parameter of what all nodes have in common, and of the weights and whatever else is each node's own where nodes train
  /// apart from each other.
  package static func bytesPerParameter(_ arrays: [StateArray], isLocal: Bool) -> (common: Int, own: Int) {
    func bytes(_ arrays: [StateArray]) -> Int { arrays.reduce(0) { $0 + $1.elementType.size } }
    return (bytes(arrays.filter { isCommon($0, isLocal: isLocal) }), 4 + bytes(arrays.filter { !isCommon($0, isLocal: isLocal) }))
  }

  /// Which nodes keep which floats of a parameter's block in an array (nil: the weights): runs, in ascending order. The first node
  /// stands for all where each has all.
  package func holders(_ array: StateArray?, of parameter: Parameter) -> [(node: Int, range: Range<Int>)] {
    guard isSpread, array?.placement != .summed else { return [(0, parameter.offset..<parameter.offset + parameter.count)] }
    let runs = (0..<grid.node.size).flatMap { rank in
      (0..<partition.nodes).flatMap { node in
        partition.pieces(of: parameter.block, rank: rank, node: node).filter { $0.parameter.offset == parameter.offset }
          .map { (node: node, range: $0.range) }
      }
    }
    return runs.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// Some values of a block in an array (nil: the weights), as they lie in memory.
  package func bytes(_ array: StateArray?, of block: BlockID, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    func raw(_ values: VectorView<some BitwiseCopyable>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(UnsafeBufferPointer(start: values[range].base, count: range.count))
    }
    guard let array, array.elementType != .fp32 else { return raw(fp32Values(array, of: block)) }
    return raw(halfValues(array, of: block))
  }

  /// A block of the weights (nil) or of an fp32 state array, for the whole node.
  package func fp32Values(_ array: StateArray?, of block: BlockID) -> Vector {
    (array.map { fp32States[$0]! } ?? weightArray).values(of: block)
  }

  /// A block of a bf16 state array, for the whole node.
  package func bf16Values(_ array: StateArray, of block: BlockID) -> VectorView<BFloat16> {
    let values = halfValues(array, of: block)
    return VectorView(UnsafeMutableRawPointer(values.base).assumingMemoryBound(to: BFloat16.self), count: values.count)
  }

  /// The bits of a block of a state array in a format of 16 bits, for the whole node.
  package func halfValues(_ array: StateArray, of block: BlockID) -> VectorView<UInt16> { halfStates[array]!.values(of: block) }

  /// This store, with all weights that were on their way: to compute with them on some ranks while others wait elsewhere. Collective.
  package func gathered() throws -> any ParameterStore {
    try gather?.finish()
    try grid.node.barrier()
    return self
  }

  /// A store to compute with, whose weights are those of a state array in fp32 or bf16 as they are now; it is valid until the next update.
  /// What the array has in another precision than models read has one copy per node. Collective.
  package func reading(_ array: StateArray) throws -> any ParameterStore {
    if array.elementType == .bf16 { return try readingBF16(array) }
    let values = fp32States[array]!
    let copy = precision == .bf16 ? try stateCopies[array] ?? NodeArray(table, node: grid.node) : nil
    stateCopies[array] = copy
    let gather = try gather(of: array, values, copy)
    if copy != nil || isSpread { try refresh(from: values, to: copy, gather) }
    return StateStore(table, values, copy: copy)
  }

  private func readingBF16(_ array: StateArray) throws -> any ParameterStore {
    let rounded = halfStates[array]!.viewed(as: BFloat16.self)
    let values = try widenedStates[array] ?? NodeArray(table, node: grid.node)
    widenedStates[array] = values
    let copy = precision == .bf16 ? rounded : nil
    try refresh(gather(of: array, values, copy)) { piece in
      guard copy == nil || piece.parameter.isReadInFP32 else { return }
      let (block, range) = (piece.parameter.block, piece.range)
      widen(rounded.values(of: block)[range], into: values.values(of: block)[range])
    }
    return StateStore(table, values, copy: copy)
  }

  private func gather(of array: StateArray, _ values: NodeArray<Float>, _ copy: NodeArray<BFloat16>?) throws -> WeightGather? {
    guard isSpread else { return nil }
    let gather =
      try stateGathers[array] ?? WeightGather(table, grid: grid, partition: partition, values: values, copy: copy, clock: clock)
    stateGathers[array] = gather
    return gather
  }

  private func piece(_ owned: Partition.Piece, gradient: Vector) -> ParameterPiece {
    let (block, range) = (owned.parameter.block, owned.range)
    var arrays: [StateArray: UnsafeMutableRawPointer] = [:]
    for (array, values) in fp32States { arrays[array] = UnsafeMutableRawPointer(values.values(of: block)[range].base) }
    for (array, values) in halfStates { arrays[array] = UnsafeMutableRawPointer(values.values(of: block)[range].base) }
    return ParameterPiece(
      owned.parameter, rows: owned.rows, weights: weightArray.values(of: block)[range],
      computeCopy: computeCopy?.values(of: block)[range], gradient: gradient, arrays: arrays)
  }
}

/// The values of a state array in place of the weights.
private final class StateStore: ParameterStore {
  let table: ParameterTable
  private let values: NodeArray<Float>
  private let copy: NodeArray<BFloat16>?

  init(_ table: ParameterTable, _ values: NodeArray<Float>, copy: NodeArray<BFloat16>?) {
    (self.table, self.values, self.copy) = (table, values, copy)
  }

  func weights(of block: BlockID) -> BlockValues { BlockValues(values.values(of: block), computeCopy: copy?.values(of: block)) }
  func gradients(of block: BlockID) -> BlockValues { preconditionFailure("these weights are not trained") }
  func backwardDone(_ block: BlockID) {}
}
