import Kernels
import Layers
import Memory
import Tokens

/// The transformer one image position at a time, with the keys and values of earlier positions cached: what sampling needs.
/// Gives the logits of a full forward pass.
///
/// Every caption is read once; any number of images is sampled for it side by side. The numbers of an image do not depend on what
/// else is sampled: its GEMMs take packed weights.
package final class CachedTransformer<Element: Scalar> {
  package let config: TransformerConfig
  /// Images sampled side by side: those of the first caption, then those of the next.
  package let rows: Int
  private let parameters: TransformerParameters
  private let blocks: [TransformerBlock<Element>]
  private let order: [BlockID]
  private let weights: PackedWeights
  private let work: Work
  private let arena: Arena

  private struct Work {
    let caches: [KVCache<Element>]
    let attention: CachedAttention<Element>
    let saved: TransformerBlock<Element>.Saved
    let scratch: TransformerScratch<Element>
    let stream: Matrix  // [n, d]
    let finalNorm: NormStatistics  // [rows]
    let logits: Matrix  // [rows, image vocabulary]
    /// In the modern architecture.
    let shortcuts: Shortcuts<Element>?
  }

  /// Reads the captions. The weights must be packed in `Element`.
  ///
  /// - Parameters:
  ///   - captions: tokens, at most `textLength` each; an empty caption is all padding.
  ///   - images: how many are sampled for each caption.
  package init(
    _ config: TransformerConfig, captions: [[Token]], images: [Int], weights: PackedWeights
  ) throws {
    precondition(captions.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
    precondition(!captions.isEmpty && images.count == captions.count && images.allSatisfy { $0 > 0 }, "nothing to sample")
    try config.validate()
    self.config = config
    self.weights = weights
    rows = images.reduce(0, +)
    var table = ParameterTable()
    parameters = TransformerParameters(config, &table)
    order = table.blockIDs
    let patterns = Transformer.patterns(config)
    blocks = zip(parameters.blocks, patterns).map { TransformerBlock($0, pattern: $1, heads: config.heads) }
    let visible = Self.visible(config, patterns)
    (arena, work) = Arena.layOut { Self.layOut(config, visible, images: images, in: &$0) }
    try read(captions)
  }

  /// Bytes that sampling takes, beside the weights.
  package static func byteCount(_ config: TransformerConfig, images: [Int]) -> Int {
    let visible = visible(config, Transformer.patterns(config))
    return Arena.measure { layOut(config, visible, images: images, in: &$0) }
  }

  /// The image positions that each image position attends to, of each layer.
  private static func visible(_ config: TransformerConfig, _ patterns: [AttentionPattern]) -> [[[Int]]] {
    var made: [AttentionPattern.Shape: [[Int]]] = [:]
    for pattern in patterns where made[pattern.shape] == nil { made[pattern.shape] = pattern.visible(after: config.textLength) }
    return patterns.map { made[$0.shape]! }
  }

  private static func layOut(
    _ config: TransformerConfig, _ visible: [[[Int]]], images: [Int], in space: inout Space
  ) -> Work {
    let d = config.width
    let rows = images.reduce(0, +)
    let most = max(config.textLength, rows)
    return Work(
      caches: visible.map {
        KVCache(groups: images, prefix: config.textLength, visible: $0, width: d, heads: config.heads, in: &space)
      },
      attention: CachedAttention(
        &space, width: d, heads: config.heads, textLength: config.textLength, images: images.max()!,
        imageKeys: visible.joined().map(\.count).max()!),
      saved: TransformerBlock.Saved(rows: most, width: d, heads: config.heads, config.architecture, in: &space),
      scratch: TransformerScratch(
        rows: most, width: d, headSize: config.headSize, patterns: [], training: false, in: &space),
      stream: space.matrix(rows: most, columns: d), finalNorm: NormStatistics(rows: rows, in: &space),
      logits: space.matrix(rows: rows, columns: config.imageVocabulary),
      shortcuts: config.architecture == .modern ? Shortcuts(rows: most, width: d, stream: nil, training: false, in: &space) : nil)
  }

  /// The logits of image position `position`, `[rows, image vocabulary]`; they are overwritten by the next call.
  ///
  /// - Parameter previous: each row's token of the position before; empty at position 0.
  package func step(_ position: Int, previous: [Token]) throws -> Matrix {
    precondition(previous.count == (position == 0 ? 0 : rows), "\(previous.count) tokens for \(rows) rows")
    let walk = try BlockWalk(weights, order)
    let stream = work.stream.rows(0..<rows)
    let embeddings = parameters.embeddings
    try walk.forward(embeddings.block) { w in
      for row in 0..<rows {
        embed(embeddings.imageTerms(after: position == 0 ? nil : previous[row], at: position), w, into: stream.row(row))
      }
    }
    work.shortcuts?.first(rows).begin(stream)
    for (block, cache) in zip(blocks, work.caches) {
      try block.step(
        stream, walk, position: position, cache: cache, attention: work.attention, saved: work.saved, scratch: work.scratch,
        shortcuts: work.shortcuts)
    }
    let heads = parameters.heads
    try walk.forward(heads.block) { w in
      let normed = work.scratch.normed.rows(0..<rows)
      heads.norm.forward(stream, w, saved: work.finalNorm, into: normed)
      w.linear(normed, heads.image, into: work.logits)
    }
    return work.logits
  }

  /// The captions' path through all blocks, one after the other, which fills the caches' prefixes.
  private func read(_ captions: [[Token]]) throws {
    let text = config.textLength
    let embeddings = parameters.embeddings
    let stream = work.stream.rows(0..<text)
    for (index, caption) in captions.enumerated() {
      let walk = try BlockWalk(weights, Array(order.dropLast()))
      try walk.forward(embeddings.block) { w in
        for position in 0..<text { embed(embeddings.textTerms(caption, at: position), w, into: stream.row(position)) }
      }
      work.shortcuts?.first(text).begin(stream)
      for (block, cache) in zip(blocks, work.caches) {
        try block.prefill(
          stream, walk, group: index, cache: cache, attention: work.attention, saved: work.saved, scratch: work.scratch,
          shortcuts: work.shortcuts)
      }
    }
  }

  private func embed(_ terms: [Int], _ w: BlockValues, into row: Vector) {
    row.copy(from: w.values[terms[0]..<terms[0] + row.count])
    for term in terms.dropFirst() { add(w.values[term..<term + row.count], to: row) }
  }
}
