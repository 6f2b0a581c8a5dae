import Kernels
import Layers
import Memory
import Models
import TestSupport
import Testing

/// Parameters of one process that check the life of every block: prefetch, weights, release.
private final class RecordingStore: ParameterStore {
  enum State { case idle, prefetched, inUse }
  let parameters: LocalParameters
  var states: [State]
  var used: [BlockID] = []
  var done: [BlockID] = []
  var table: ParameterTable { parameters.table }

  init(_ table: ParameterTable) {
    parameters = LocalParameters(table)
    states = Array(repeating: .idle, count: table.blocks.count)
    for block in table.blockIDs { table.initialize(block, into: parameters.weights(of: block), seed: 3) }
  }

  func prefetch(_ block: BlockID) {
    #expect(states[block.index] == .idle)
    states[block.index] = .prefetched
    #expect(states.count { $0 != .idle } <= 2, "one block in use and one on its way")
  }

  func weights(of block: BlockID) -> BlockValues {
    #expect(states[block.index] == .prefetched)
    states[block.index] = .inUse
    used.append(block)
    return parameters.weights(of: block)
  }

  func release(_ block: BlockID) {
    #expect(states[block.index] == .inUse)
    states[block.index] = .idle
  }

  func gradients(of block: BlockID) -> BlockValues { parameters.gradients(of: block) }

  func backwardDone(_ block: BlockID) { done.append(block) }

  func expectPass(_ order: [BlockID], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(used == order, sourceLocation: sourceLocation)
    #expect(states.allSatisfy { $0 == .idle }, sourceLocation: sourceLocation)
    used = []
  }
}

@Suite struct BlockWalkTests {
  @Test(arguments: [false, true]) func transformerUsesBlocksInOrder(recompute: Bool) throws {
    let config = TransformerConfig(
      layers: 3, heads: 2, headSize: 8, textLength: 3, grid: 2, textVocabulary: 7, imageVocabulary: 5, convolutionKernel: 3,
      recompute: recompute)
    let model = try Transformer(config, batch: 1)
    let store = RecordingStore(model.table)
    let batch = TransformerBatch(text: [[1, 2]], image: [1, 2, 3, 4])
    let blocks = model.table.blockIDs
    _ = try model.evaluate(batch, store)
    store.expectPass(blocks)
    _ = try model.forwardBackward(batch, store, textScale: 1, imageScale: 1)
    store.expectPass(blocks + blocks.dropFirst().dropLast().reversed())
    #expect(store.done == blocks.reversed())
  }

  @Test func dvaeUsesBlocksInOrder() throws {
    var config = DVAEConfig()
    (config.imageSize, config.groups, config.blocksPerGroup) = (8, 2, 2)
    (config.baseChannels, config.codebookDim, config.vocabulary) = (8, 4, 16)
    let model = try DVAE(config, batch: 1)
    let store = RecordingStore(model.table)
    let blocks = model.table.blockIDs
    let pixels = [UInt8](repeating: 100, count: config.pixelValues)
    var codes = [UInt16](repeating: 0, count: config.grid * config.grid)
    var copy = pixels
    _ = try model.forwardBackward(
      pixels, count: 1, store, temperature: 1, klWeight: 1, noise: .drawn(seed: 1, step: 0, samples: [0]), scale: 1)
    store.expectPass(blocks + blocks.dropFirst().reversed())
    #expect(store.done == blocks.reversed())
    _ = try model.evaluate(pixels, count: 1, store, into: &codes)
    store.expectPass(blocks)
    try model.encode(pixels, count: 1, store, into: &codes)
    try model.decode(codes, count: 1, store, into: &copy)
    store.expectPass(blocks)
  }
}

@Suite struct TransformerBlockTests {
  /// Cached steps of causal attention without a grid against all positions at once, with and without a shared prefix.
  @Test(arguments: [0, 5], TransformerArchitecture.allCases)
  func cachedStepsGiveTheForwardPass(prefix: Int, architecture: TransformerArchitecture) throws {
    let (width, heads, length, rows) = (32, 2, 21, 4)
    var table = ParameterTable()
    let parameters = TransformerBlockParameters(
      "block", width: width, residualScale: 1, architecture, isFirst: true, in: &table)
    let store = LocalParameters(table)
    for block in table.blockIDs {
      fillNormal(store.weights(of: block).values, seed: 5, stream: UInt64(block.index), std: 0.2)
    }
    let pattern = AttentionPattern(.causal(length: length))
    let block = TransformerBlock<Float>(parameters, pattern: pattern, heads: heads)
    let input = kept(normalNumbers(rows * length * width, stream: 9)).vector.matrix(rows: rows * length, columns: width)
    // Rows 0 and 1 share their prefix, and so do rows 2 and 3.
    for row in [1, 3] {
      for position in 0..<prefix { input.row(row * length + position).copy(from: input.row((row - 1) * length + position)) }
    }
    let groups = rows / 2
    let (arena, views) = Arena.layOut { space in
      (
        saved: TransformerBlock<Float>.Saved(rows: rows * length, width: width, heads: heads, architecture, in: &space),
        scratch: TransformerScratch<Float>(
          rows: rows * length, width: width, headSize: width / heads, patterns: [pattern], training: false, in: &space),
        output: space.matrix(rows: rows * length, columns: width), stream: space.matrix(rows: groups * length, columns: width),
        cache: KVCache<Float>(
          groups: Array(repeating: 2, count: groups), prefix: prefix, visible: pattern.visible(after: prefix), width: width,
          heads: heads, in: &space),
        attention: CachedAttention<Float>(
          &space, width: width, heads: heads, textLength: prefix, images: 2, imageKeys: length - prefix),
        shortcuts: architecture == .modern
          ? Shortcuts<Float>(rows: rows * length, width: width, stream: nil, training: false, in: &space) : nil
      )
    }
    let order = [parameters.attention.block, parameters.mlp.block]
    try withExtendedLifetime(arena) {
      try block.forward(
        input, middle: views.output, BlockWalk(store, order), saved: views.saved, scratch: views.scratch,
        shortcuts: views.shortcuts, into: views.output)
      if prefix > 0 {
        let stream = views.stream.rows(0..<groups * prefix)
        for row in 0..<stream.rows { stream.row(row).copy(from: input.row(row / prefix * 2 * length + row % prefix)) }
        for group in 0..<groups {
          try block.prefill(
            stream.rows(group * prefix..<(group + 1) * prefix), BlockWalk(store, order), group: group, cache: views.cache,
            attention: views.attention, saved: views.saved, scratch: views.scratch,
            shortcuts: views.shortcuts)
        }
        for row in 0..<stream.rows {
          expectClose(
            stream.row(row).array, views.output.row(row / prefix * 2 * length + row % prefix).array, absolute: 2e-5, "prefix")
        }
      }
      for position in 0..<length - prefix {
        let stream = views.stream.rows(0..<rows)
        for row in 0..<rows { stream.row(row).copy(from: input.row(row * length + prefix + position)) }
        try block.step(
          stream, BlockWalk(store, order), position: position, cache: views.cache, attention: views.attention,
          saved: views.saved, scratch: views.scratch,
          shortcuts: views.shortcuts)
        for row in 0..<rows {
          expectClose(
            stream.row(row).array, views.output.row(row * length + prefix + position).array, absolute: 2e-5, "step \(position)")
        }
      }
    }
  }
}
