import Kernels
import Layers
import Memory
import Tokens

/// Everything a step of the transformer writes, laid out once. n = samples · length, d = width. What GEMMs take is kept in
/// `Element`, the residual stream and sums in fp32.
struct TransformerActivations<Element: Scalar> {
  /// The residual stream before each resblock, and after the last: `2 · layers + 1` of [n, d].
  let streams: [Matrix]
  /// What one block keeps for its backward pass. With recomputation all blocks share one.
  let blocks: [TransformerBlock<Element>.Saved]
  let dStream: Matrix  // [n, d]
  let finalNorm: NormStatistics  // [n]
  /// A block of logits and their gradient, [logitRows · largest vocabulary].
  let logits: Vector
  let dLogits: VectorView<Element>
  /// Rows of the block that have a target, moved together, and their gradient: [logitRows, d].
  let scored: MatrixView<Element>
  let dScored: Matrix
  let targets: UnsafeMutablePointer<Token>  // [n]
  let targetRows: UnsafeMutablePointer<Int32>  // [n]
  let scratch: TransformerScratch<Element>
  /// In the modern architecture.
  let shortcuts: Shortcuts<Element>?

  /// Rows of logits that exist at a time, and what their number is a multiple of.
  let logitRows = 256
  let logitStep = 32

  init(_ config: TransformerConfig, _ patterns: [AttentionPattern], samples: Int, in space: inout Space) {
    let n = samples * config.length
    let d = config.width
    streams = (0...2 * config.layers).map { _ in space.matrix(rows: n, columns: d) }
    func saved() -> TransformerBlock<Element>.Saved {
      TransformerBlock.Saved(rows: n, width: d, heads: config.heads, config.architecture, in: &space)
    }
    blocks = config.recompute ? Array(repeating: saved(), count: config.layers) : (0..<config.layers).map { _ in saved() }
    dStream = space.matrix(rows: n, columns: d)
    finalNorm = NormStatistics(rows: n, in: &space)
    logits = space.vector(logitRows * max(config.textVocabulary, config.imageVocabulary))
    dLogits = logits as? VectorView<Element> ?? space.vector(logits.count, of: Element.self)
    scored = space.matrix(rows: logitRows, columns: d, of: Element.self)
    dScored = space.matrix(rows: logitRows, columns: d)
    targets = space.take(Token.self, count: n)
    targetRows = space.take(Int32.self, count: n)
    scratch = TransformerScratch(
      rows: n, width: d, headSize: config.headSize, patterns: patterns, training: true, in: &space)
    shortcuts =
      config.architecture == .modern ? Shortcuts(rows: n, width: d, stream: streams[0], training: true, in: &space) : nil
  }
}
