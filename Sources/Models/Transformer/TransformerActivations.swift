import Kernels
import Memory

/// Everything a step of the transformer writes, laid out once. n = samples · length, d = width.
struct TransformerActivations {
  /// What one layer keeps for its backward pass. With recomputation all layers share one.
  struct Layer {
    let qkv: Matrix  // [n, 3d]
    let attended: Matrix  // [n, d]
    let logSums: Vector  // [heads · n]
    let attentionMeans, attentionDeviations: Vector  // [n]
    let up: Matrix  // [n, 4d], before the activation
    let mlpMeans, mlpDeviations: Vector  // [n]

    init(_ config: TransformerConfig, rows n: Int, in space: inout Space) {
      let d = config.width
      qkv = space.matrix(rows: n, columns: 3 * d)
      attended = space.matrix(rows: n, columns: d)
      logSums = space.vector(config.heads * n)
      attentionMeans = space.vector(n)
      attentionDeviations = space.vector(n)
      up = space.matrix(rows: n, columns: 4 * d)
      mlpMeans = space.vector(n)
      mlpDeviations = space.vector(n)
    }
  }

  /// Rows of logits that exist at a time.
  static let logitRows = 128

  /// The residual stream before each resblock, and after the last: `2 · layers + 1` of [n, d].
  let streams: [Matrix]
  let layers: [Layer]
  /// Gradient of the residual stream, [n, d].
  let dStream: Matrix
  /// Normed input of the block at hand, [n, d], and its gradient.
  let normed, dNormed: Matrix
  /// [n, 4d]: MLP activation, or the gradient of qkv.
  let wide: Matrix
  /// [n, 4d]: gradient of the MLP's activation.
  let dWide: Matrix
  let finalMeans, finalDeviations: Vector  // [n]
  let logits: Vector  // [logitRows · largest vocabulary]
  /// Rows that have a target, moved together, and their gradient: [n, d].
  let scored, dScored: Matrix
  let targets: UnsafeMutablePointer<Int32>  // [n]
  let targetRows: UnsafeMutablePointer<Int32>  // [n]
  let scratch: AttentionScratch

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
    normed = space.matrix(rows: n, columns: d)
    dNormed = space.matrix(rows: n, columns: d)
    wide = space.matrix(rows: n, columns: 4 * d)
    dWide = space.matrix(rows: n, columns: 4 * d)
    finalMeans = space.vector(n)
    finalDeviations = space.vector(n)
    logits = space.vector(Self.logitRows * max(config.textVocabulary, config.imageVocabulary))
    scored = space.matrix(rows: n, columns: d)
    dScored = space.matrix(rows: n, columns: d)
    targets = space.take(Int32.self, count: n)
    targetRows = space.take(Int32.self, count: n)
    scratch = AttentionScratch(&space, patterns: patterns)
  }
}
