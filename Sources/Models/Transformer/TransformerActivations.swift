import Kernels
import Memory

/// Everything a step of the transformer writes, laid out once. n = samples · length, d = width. What products take is kept in
/// `Element`, the residual stream and sums in fp32.
struct TransformerActivations<Element: Scalar> {
  /// What one layer keeps for its backward pass. With recomputation all layers share one.
  struct Layer {
    let qkv: MatrixView<Element>  // [n, 3d]
    let attended: MatrixView<Element>  // [n, d]
    let logSums: Vector  // [heads · n]
    let attentionMeans, attentionDeviations: Vector  // [n]
    let up: MatrixView<Element>  // [n, 4d], before the activation
    let mlpMeans, mlpDeviations: Vector  // [n]

    init(_ config: TransformerConfig, rows n: Int, in space: inout Space) {
      let d = config.width
      qkv = space.matrix(rows: n, columns: 3 * d, of: Element.self)
      attended = space.matrix(rows: n, columns: d, of: Element.self)
      logSums = space.vector(config.heads * n)
      attentionMeans = space.vector(n)
      attentionDeviations = space.vector(n)
      up = space.matrix(rows: n, columns: 4 * d, of: Element.self)
      mlpMeans = space.vector(n)
      mlpDeviations = space.vector(n)
    }
  }

  /// The residual stream before each resblock, and after the last: `2 · layers + 1` of [n, d].
  let streams: [Matrix]
  let layers: [Layer]
  /// Gradient of the residual stream, [n, d]; and room for it as an operand.
  let dStream: Matrix
  let dStreamRounded: VectorView<Element>
  /// Normed input of the block at hand, [n, d], and its gradient.
  let normed: MatrixView<Element>
  let dNormed: Matrix
  /// Gradient of attention's output, [n, d].
  let dAttended: MatrixView<Element>
  /// [n, 4d]: MLP activation, or the gradient of qkv.
  let wide: MatrixView<Element>
  /// [n, 4d]: gradient of the MLP's activation.
  let dWide: MatrixView<Element>
  let finalMeans, finalDeviations: Vector  // [n]
  /// A block of logits and their gradient, [logitRows · largest vocabulary].
  let logits: Vector
  let dLogits: VectorView<Element>
  /// Rows of the block that have a target, moved together, and their gradient: [logitRows, d].
  let scored: MatrixView<Element>
  let dScored: Matrix
  let targets: UnsafeMutablePointer<Int32>  // [n]
  let targetRows: UnsafeMutablePointer<Int32>  // [n]
  let scratch: AttentionScratch<Element>

  /// Rows of logits that exist at a time, and what their number is a multiple of.
  let logitRows = 256
  let logitStep = 32

  init(_ config: TransformerConfig, _ patterns: [AttentionPattern], samples: Int, in space: inout Space) {
    let n = samples * config.length
    let d = config.width
    streams = (0...2 * config.layers).map { _ in space.matrix(rows: n, columns: d) }
    if config.recompute {
      let shared = Layer(config, rows: n, in: &space)
      layers = (0..<config.layers).map { _ in shared }
    } else {
      layers = (0..<config.layers).map { _ in Layer(config, rows: n, in: &space) }
    }
    dStream = space.matrix(rows: n, columns: d)
    // fp32 is its own operand.
    dStreamRounded = space.vector(Element.self == Float.self ? 0 : n * d, of: Element.self)
    normed = space.matrix(rows: n, columns: d, of: Element.self)
    dNormed = space.matrix(rows: n, columns: d)
    dAttended = space.matrix(rows: n, columns: d, of: Element.self)
    wide = space.matrix(rows: n, columns: 4 * d, of: Element.self)
    dWide = space.matrix(rows: n, columns: 4 * d, of: Element.self)
    finalMeans = space.vector(n)
    finalDeviations = space.vector(n)
    logits = space.vector(logitRows * max(config.textVocabulary, config.imageVocabulary))
    dLogits = logits as? VectorView<Element> ?? space.vector(logits.count, of: Element.self)
    scored = space.matrix(rows: logitRows, columns: d, of: Element.self)
    dScored = space.matrix(rows: logitRows, columns: d)
    targets = space.take(Int32.self, count: n)
    targetRows = space.take(Int32.self, count: n)
    scratch = AttentionScratch(&space, patterns: patterns, headSize: config.headSize)
  }
}
