import Kernels
import Memory

/// The parameters of a transformer block: `NAME.attention` and `NAME.mlp`, each a gradient block of its own.
package struct TransformerBlockParameters: Sendable {
  package let attention: AttentionParameters
  package let mlp: MLPParameters

  package init(_ name: String, width: Int, residualScale: Float, in table: inout ParameterTable) {
    attention = AttentionParameters("\(name).attention", width: width, residualScale: residualScale, in: &table)
    mlp = MLPParameters("\(name).mlp", width: width, residualScale: residualScale, in: &table)
  }
}

/// An attention layer and an MLP layer on one residual stream. It knows no tokens: embeddings and heads are the model's.
package struct TransformerBlock<Element: Scalar> {
  /// What the backward pass needs besides the inputs of both layers.
  package struct Saved {
    let attention: AttentionLayer<Element>.Saved
    let mlp: MLPLayer<Element>.Saved

    package init(rows: Int, width: Int, heads: Int, in space: inout Space) {
      attention = AttentionLayer.Saved(rows: rows, width: width, heads: heads, in: &space)
      mlp = MLPLayer.Saved(rows: rows, width: width, in: &space)
    }
  }

  package let attention: AttentionLayer<Element>
  package let mlp: MLPLayer<Element>

  package init(_ parameters: TransformerBlockParameters, pattern: AttentionPattern, heads: Int) {
    attention = AttentionLayer(parameters.attention, pattern: pattern, heads: heads)
    mlp = MLPLayer(parameters.mlp)
  }

  /// From `streams.0` by `streams.1`, which the attention layer writes, to `streams.2`; all [n, d]. They may be one.
  package func forward(
    _ streams: (Matrix, Matrix, Matrix), _ walk: BlockWalk, saved: Saved, scratch: TransformerScratch<Element>
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.forward(streams.0, $0, saved: saved.attention, scratch: scratch, into: streams.1)
    }
    try walk.forward(mlp.parameters.block) {
      mlp.forward(streams.1, $0, saved: saved.mlp, scratch: scratch, into: streams.2)
    }
  }

  /// Turns `dStream`, the gradient of the block's output, into that of its input, and adds to the parameters' gradients.
  ///
  /// - Parameters:
  ///   - streams: inputs of the attention and of the MLP layer, as `forward` left them.
  ///   - recomputes: `saved` holds another block's values and is computed again, to the same bits.
  package func backward(
    _ streams: (Matrix, Matrix), _ walk: BlockWalk, saved: Saved, scratch: TransformerScratch<Element>, dStream: Matrix,
    recomputes: Bool
  ) throws {
    try walk.backward(mlp.parameters.block) { w, g in
      mlp.backward(streams.1, w, g, saved: saved.mlp, scratch: scratch, dStream: dStream, recomputes: recomputes)
    }
    try walk.backward(attention.parameters.block) { w, g in
      attention.backward(
        streams.0, w, g, saved: saved.attention, scratch: scratch, dStream: dStream, recomputes: recomputes)
    }
  }

  /// The prefix of a group of a cache, in place: `stream` is [prefix, d].
  package func prefill(
    _ stream: Matrix, _ walk: BlockWalk, group: Int, cache: KVCache<Element>, attention cached: CachedAttention<Element>,
    saved: Saved,
    scratch: TransformerScratch<Element>
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.prefill(stream, $0, group: group, cache: cache, attention: cached, saved: saved.attention, scratch: scratch)
    }
    try stepMLP(stream, walk, saved, scratch)
  }

  /// One position after the prefix, in place: `stream` is [rows, d].
  package func step(
    _ stream: Matrix, _ walk: BlockWalk, position: Int, cache: KVCache<Element>, attention cached: CachedAttention<Element>,
    saved: Saved, scratch: TransformerScratch<Element>
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.step(
        stream, $0, position: position, cache: cache, attention: cached, saved: saved.attention, scratch: scratch)
    }
    try stepMLP(stream, walk, saved, scratch)
  }

  private func stepMLP(
    _ stream: Matrix, _ walk: BlockWalk, _ saved: Saved, _ scratch: TransformerScratch<Element>
  ) throws {
    try walk.forward(mlp.parameters.block) { mlp.forward(stream, $0, saved: saved.mlp, scratch: scratch, into: stream) }
  }
}
