import Kernels
import Memory

/// The parameters of a transformer block: `NAME.attention` and `NAME.mlp`, each a gradient block of its own.
package struct TransformerBlockParameters: Sendable {
  package let attention: AttentionParameters
  package let mlp: MLPParameters

  /// - Parameter isFirst: whether it is the first block of its model.
  package init(
    _ name: String, width: Int, residualScale: Float, _ architecture: TransformerArchitecture, isFirst: Bool,
    in table: inout ParameterTable
  ) {
    attention = AttentionParameters(
      "\(name).attention", width: width, residualScale: residualScale, architecture, isFirst: isFirst, in: &table)
    mlp = MLPParameters("\(name).mlp", width: width, residualScale: residualScale, architecture, in: &table)
  }
}

/// An attention layer and an MLP layer on one residual stream. It knows no tokens: embeddings and heads are the model's.
package struct TransformerBlock<Element: Scalar> {
  /// What the backward pass needs besides the inputs of both layers.
  package struct Saved {
    let attention: AttentionLayer<Element>.Saved
    let mlp: MLPLayer<Element>.Saved

    package init(rows: Int, width: Int, heads: Int, _ architecture: TransformerArchitecture, in space: inout Space) {
      attention = AttentionLayer.Saved(rows: rows, width: width, heads: heads, architecture, in: &space)
      mlp = MLPLayer.Saved(rows: rows, width: width, in: &space)
    }
  }

  package let attention: AttentionLayer<Element>
  package let mlp: MLPLayer<Element>

  package init(_ parameters: TransformerBlockParameters, pattern: AttentionPattern, heads: Int) {
    attention = AttentionLayer(parameters.attention, pattern: pattern, heads: heads)
    mlp = MLPLayer(parameters.mlp)
  }

  /// y = the block's output for x; `middle` takes the stream between the layers. All are [n, d], and may be the same memory.
  ///
  /// - Parameters:
  ///   - shortcuts: in the modern architecture; x then takes its share of the first block's input.
  ///   - dropout: of this block's two layers.
  package func forward(
    _ x: Matrix, middle: Matrix, _ walk: BlockWalk, saved: Saved, scratch: TransformerScratch<Element>,
    shortcuts: Shortcuts<Element>?, dropout: (attention: Dropout, mlp: Dropout)? = nil, into y: Matrix
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.forward(
        x, $0, saved: saved.attention, scratch: scratch, shortcuts: shortcuts, dropout: dropout?.attention,
        into: middle)
    }
    try walk.forward(mlp.parameters.block) {
      mlp.forward(middle, $0, saved: saved.mlp, scratch: scratch, dropout: dropout?.mlp, into: y)
    }
  }

  /// Turns `dStream`, the gradient of the block's output, into that of its input, and adds to the parameters' gradients.
  ///
  /// - Parameters:
  ///   - x, middle: inputs of the attention and of the MLP layer, as `forward` left them.
  ///   - dropout: that of the forward pass.
  ///   - recomputes: `saved` has another block's values and is computed again, to the same bits.
  package func backward(
    _ x: Matrix, middle: Matrix, _ walk: BlockWalk, saved: Saved, scratch: TransformerScratch<Element>,
    shortcuts: Shortcuts<Element>?, dropout: (attention: Dropout, mlp: Dropout)? = nil, dStream: Matrix, recomputes: Bool
  ) throws {
    try walk.backward(mlp.parameters.block) { w, g in
      mlp.backward(
        middle, w, g, saved: saved.mlp, scratch: scratch, dropout: dropout?.mlp, dStream: dStream, recomputes: recomputes)
    }
    try walk.backward(attention.parameters.block) { w, g in
      attention.backward(
        x, w, g, saved: saved.attention, scratch: scratch, shortcuts: shortcuts, dropout: dropout?.attention, dStream: dStream,
        recomputes: recomputes)
    }
  }

  /// The prefix of a group of a cache, in place: `stream` is [prefix, d].
  package func prefill(
    _ stream: Matrix, _ walk: BlockWalk, group: Int, cache: KVCache<Element>, attention cached: CachedAttention<Element>,
    saved: Saved, scratch: TransformerScratch<Element>, shortcuts: Shortcuts<Element>?
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.prefill(
        stream, $0, group: group, cache: cache, attention: cached, saved: saved.attention, scratch: scratch, shortcuts: shortcuts)
    }
    try stepMLP(stream, walk, saved, scratch)
  }

  /// One position after the prefix, in place: `stream` is [rows, d].
  package func step(
    _ stream: Matrix, _ walk: BlockWalk, position: Int, cache: KVCache<Element>, attention cached: CachedAttention<Element>,
    saved: Saved, scratch: TransformerScratch<Element>, shortcuts: Shortcuts<Element>?
  ) throws {
    try walk.forward(attention.parameters.block) {
      attention.step(
        stream, $0, position: position, cache: cache, attention: cached, saved: saved.attention, scratch: scratch,
        shortcuts: shortcuts)
    }
    try stepMLP(stream, walk, saved, scratch)
  }

  private func stepMLP(
    _ stream: Matrix, _ walk: BlockWalk, _ saved: Saved, _ scratch: TransformerScratch<Element>
  ) throws {
    try walk.forward(mlp.parameters.block) { mlp.forward(stream, $0, saved: saved.mlp, scratch: scratch, into: stream) }
  }
}
