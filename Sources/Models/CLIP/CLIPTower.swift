import Kernels
import Layers
import Memory

/// One tower: blocks on a residual stream, a norm, the pooled row of each sample, and its projection to a feature vector of length 1.
/// b = samples, n = b · positions, d = width, f = values of a feature vector.
struct CLIPTower<Element: Scalar> {
  private let parameters: CLIPParameters.Tower
  private let blocks: [TransformerBlock<Element>]
  let length: Int
  /// The stream before each layer, and after the last: `2 · layers + 1` of [n, d].
  private let streams: [Matrix]
  private let saved: [TransformerBlock<Element>.Saved]
  private let norm: NormStatistics
  private let pooled: Matrix  // [b, d]
  /// The same as an operand of GEMMs.
  private let operand: VectorView<Element>
  private let projected: Matrix  // [b, f]
  private let factors: Vector  // [b]
  /// Projected rows with a root mean square of 1, so that a product of two is f times the cosine: [b, f].
  let features: Matrix
  /// The gradient of `features`, and of `projected`.
  let dFeatures: Matrix
  private let dProjected: Matrix
  private let dOperand: VectorView<Element>
  private let dPooled: Matrix  // [b, d]

  init(
    _ config: CLIPConfig, _ parameters: CLIPParameters.Tower, pattern: AttentionPattern, samples: Int, in space: inout Space
  ) {
    self.parameters = parameters
    blocks = parameters.blocks.map { TransformerBlock($0, pattern: pattern, heads: config.heads) }
    length = pattern.length
    let (n, d, f) = (samples * pattern.length, config.width, config.featureSize)
    streams = (0...2 * config.layers).map { _ in space.matrix(rows: n, columns: d) }
    saved = (0..<config.layers).map { _ in
      TransformerBlock.Saved(rows: n, width: d, heads: config.heads, .published, in: &space)
    }
    norm = NormStatistics(rows: n, in: &space)
    pooled = space.matrix(rows: samples, columns: d)
    // fp32 is its own operand.
    let copies = Element.self == Float.self ? 0 : samples
    operand = space.vector(copies * d, of: Element.self)
    projected = space.matrix(rows: samples, columns: f)
    factors = space.vector(samples)
    features = space.matrix(rows: samples, columns: f)
    dFeatures = space.matrix(rows: samples, columns: f)
    dProjected = space.matrix(rows: samples, columns: f)
    dOperand = space.vector(copies * f, of: Element.self)
    dPooled = space.matrix(rows: samples, columns: d)
  }

  /// Blocks whose weights the forward pass needs after the input's, and the backward pass before it.
  var order: [BlockID] { parameters.layers + [parameters.head] }

  /// The input of the first block, for `samples` samples.
  func input(_ samples: Int) -> Matrix { streams[0].rows(0..<samples * length) }

  /// The features of what is in `input`.
  ///
  /// - Parameter pooling: the rows of a sample whose mean is its pooled row, counted from its first.
  func forward(_ samples: Int, pooling: (_ sample: Int) -> Range<Int>, _ walk: BlockWalk, _ scratch: TransformerScratch<Element>)
    throws
  {
    let rows = 0..<samples * length
    for (layer, block) in blocks.enumerated() {
      try block.forward(
        streams[2 * layer].rows(rows), middle: streams[2 * layer + 1].rows(rows), walk, saved: saved[layer], scratch: scratch,
        shortcuts: nil, into: streams[2 * layer + 2].rows(rows))
    }
    try walk.forward(parameters.head) { w in
      let normed = scratch.normed.rows(rows)
      parameters.norm.forward(streams.last!.rows(rows), w, saved: norm.first(rows.count), into: normed)
      let pooled = pooled.rows(0..<samples)
      pooled.vector.fill(0)
      forEach(samples, pooling) { sample, row, share in
        addScaled(normed.rows(row..<row + 1), by: share, to: pooled.rows(sample..<sample + 1))
      }
      w.linear(rounded(pooled, operand), parameters.projection, into: projected.rows(0..<samples))
    }
    rmsNorm(projected.rows(0..<samples), into: features.rows(0..<samples), factors: factors)
  }

  /// Turns `dFeatures` into the gradient of `input`, in `dStream`, and adds to the parameters' gradients.
  func backward(
    _ samples: Int, pooling: (_ sample: Int) -> Range<Int>, _ walk: BlockWalk, _ scratch: TransformerScratch<Element>,
    dStream: Matrix
  ) throws {
    let rows = 0..<samples * length
    let (dProjected, dPooled) = (dProjected.rows(0..<samples), dPooled.rows(0..<samples))
    dProjected.vector.fill(0)
    rmsNormBackward(dFeatures.rows(0..<samples), projected.rows(0..<samples), factors: factors, addingTo: dProjected)
    try walk.backward(parameters.head) { w, g in
      let dy = rounded(dProjected, dOperand)
      matmul(
        dy, rounded(pooled.rows(0..<samples), operand), transposing: .first, into: g.matrix(parameters.projection), .accumulate)
      matmul(dy, w.operand(parameters.projection), into: dPooled)
      let dNormed = scratch.dNormed.rows(rows)
      dNormed.vector.fill(0)
      forEach(samples, pooling) { sample, row, share in
        addScaled(dPooled.rows(sample..<sample + 1), by: share, to: dNormed.rows(row..<row + 1))
      }
      dStream.vector.fill(0)
      parameters.norm.backward(dNormed, streams.last!.rows(rows), w, g, saved: norm.first(rows.count), addingTo: dStream)
    }
    for layer in blocks.indices.reversed() {
      try blocks[layer].backward(
        streams[2 * layer].rows(rows), middle: streams[2 * layer + 1].rows(rows), walk, saved: saved[layer], scratch: scratch,
        shortcuts: nil, dStream: dStream, recomputes: false)
    }
  }

  private func rounded(_ x: Matrix, _ copy: VectorView<Element>) -> MatrixView<Element> {
    Element.rounded(x.vector, into: copy).matrix(rows: x.rows, columns: x.columns)
  }

  private func forEach(
    _ samples: Int, _ pooling: (_ sample: Int) -> Range<Int>, _ body: (_ sample: Int, _ row: Int, _ share: Float) -> Void
  ) {
    for sample in 0..<samples {
      let range = pooling(sample)
      for position in range { body(sample, sample * length + position, 1 / Float(range.count)) }
    }
  }
}
