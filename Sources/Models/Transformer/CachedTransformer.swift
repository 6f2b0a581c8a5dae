import Kernels
import Layers
import Memory

/// The transformer one image position at a time, with the keys and values of earlier positions cached: what sampling needs.
/// Gives the logits of a full forward pass.
///
/// Every caption is read once; `rowsPerCaption` images are sampled for it side by side.
public final class CachedTransformer<Element: Scalar> {
  public let config: TransformerConfig
  /// Images sampled side by side: `rowsPerCaption` for the first caption, then as many for the next.
  public let rows: Int
  private let parameters: TransformerParameters
  private let blocks: [TransformerBlock<Element>]
  private let order: [BlockID]
  private let source: any ParameterStore
  private let work: Work
  private let arena: Arena

  private struct Work {
    let caches: [KVCache<Element>]
    let attention: CachedAttention<Element>
    let saved: TransformerBlock<Element>.Saved
    let scratch: TransformerScratch<Element>
    let stream: Matrix  // [n, d]
    let finalNorm: LayerNormStatistics  // [rows]
    let logits: Matrix  // [rows, image vocabulary]
  }

  /// Reads the captions: tokens, at most `textLength` each; an empty caption is all padding. The store must keep weights in
  /// `Element`.
  public init(
    _ config: TransformerConfig, captions: [[Int32]], rowsPerCaption: Int, source: any ParameterStore
  ) throws {
    precondition(captions.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
    precondition(!captions.isEmpty && rowsPerCaption > 0, "nothing to sample")
    try config.validate()
    self.config = config
    self.source = source
    rows = captions.count * rowsPerCaption
    var table = ParameterTable()
    parameters = TransformerParameters(config, &table)
    order = table.blockIDs
    let patterns = Transformer.patterns(config)
    blocks = zip(parameters.blocks, patterns).map { TransformerBlock($0, pattern: $1, heads: config.heads) }
    (arena, work) = Arena.layOut {
      Self.layOut(config, patterns, captions: captions.count, rowsPerCaption: rowsPerCaption, in: &$0)
    }
    try read(captions)
  }

  private static func layOut(
    _ config: TransformerConfig, _ patterns: [AttentionPattern], captions: Int, rowsPerCaption: Int, in space: inout Space
  ) -> Work {
    let d = config.width
    let rows = captions * rowsPerCaption
    let most = max(captions * config.textLength, rows)
    var visible: [AttentionPattern.Shape: [[Int]]] = [:]
    for pattern in patterns where visible[pattern.shape] == nil {
      visible[pattern.shape] = pattern.visible(after: config.textLength)
    }
    return Work(
      caches: patterns.map {
        KVCache(
          groups: captions, rowsPerGroup: rowsPerCaption, prefix: config.textLength, visible: visible[$0.shape]!, width: d,
          in: &space)
      },
      attention: CachedAttention(
        &space, width: d, heads: config.heads, textLength: config.textLength, pictures: rowsPerCaption,
        imageKeys: visible.values.joined().map(\.count).max()!),
      saved: TransformerBlock.Saved(rows: most, width: d, heads: config.heads, in: &space),
      scratch: TransformerScratch(
        rows: most, width: d, headSize: config.headSize, patterns: [], training: false, in: &space),
      stream: space.matrix(rows: most, columns: d), finalNorm: LayerNormStatistics(rows: rows, in: &space),
      logits: space.matrix(rows: rows, columns: config.imageVocabulary))
  }

  /// The logits of image position `position`, `[rows, image vocabulary]`; they are overwritten by the next call.
  ///
  /// - Parameter previous: each row's token of the position before; empty at position 0.
  public func step(_ position: Int, previous: [Int32]) throws -> Matrix {
    precondition(previous.count == (position == 0 ? 0 : rows), "\(previous.count) tokens for \(rows) rows")
    let walk = try BlockWalk(source, order)
    let stream = work.stream.rows(0..<rows)
    let embeddings = parameters.embeddings
    try walk.forward(embeddings.block) { w in
      for row in 0..<rows {
        embed(embeddings.imageTerms(after: position == 0 ? nil : previous[row], at: position), w, into: stream.row(row))
      }
    }
    for (block, cache) in zip(blocks, work.caches) {
      try block.step(
        stream, walk, position: position, cache: cache, attention: work.attention, saved: work.saved, scratch: work.scratch)
    }
    let heads = parameters.heads
    try walk.forward(heads.block) { w in
      let normed = work.scratch.normed.rows(0..<rows)
      heads.norm.forward(stream, w, saved: work.finalNorm, into: normed)
      matmul(normed, w.operand(heads.image).transposed, into: work.logits)
    }
    return work.logits
  }

  /// The captions' path through all blocks, which fills the caches' prefixes.
  private func read(_ captions: [[Int32]]) throws {
    let text = config.textLength
    let embeddings = parameters.embeddings
    let walk = try BlockWalk(source, Array(order.dropLast()))
    let stream = work.stream.rows(0..<captions.count * text)
    try walk.forward(embeddings.block) { w in
      for (index, caption) in captions.enumerated() {
        for position in 0..<text {
          embed(embeddings.textTerms(caption, at: position), w, into: stream.row(index * text + position))
        }
      }
    }
    for (block, cache) in zip(blocks, work.caches) {
      try block.prefill(stream, walk, cache: cache, attention: work.attention, saved: work.saved, scratch: work.scratch)
    }
  }

  private func embed(_ terms: [Int], _ w: BlockValues, into row: Vector) {
    row.copy(from: w.values[terms[0]..<terms[0] + row.count])
    for term in terms.dropFirst() { add(w.values[term..<term + row.count], to: row) }
  }
}
