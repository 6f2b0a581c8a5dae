import Kernels
import Layers
import Memory

/// A transformer's passes in some precision.
protocol TransformerPasses {
  /// Loss and gradient of all blocks.
  func forwardBackward(
    _ samples: TransformerBatch, _ store: any ParameterStore, textScale: Float, imageScale: Float
  ) throws -> TransformerLoss
  /// Loss alone.
  func evaluate(_ samples: TransformerBatch, _ store: any ParameterStore) throws -> TransformerLoss
}

/// Forward and backward passes over one micro-batch: embeddings, blocks, heads.
/// n = samples · length, d = width.
struct TransformerStep<Element: Scalar>: TransformerPasses {
  private let config: TransformerConfig
  private let parameters: TransformerParameters
  private let blocks: [TransformerBlock<Element>]
  private let activations: TransformerActivations<Element>

  init(
    _ config: TransformerConfig, _ parameters: TransformerParameters, _ patterns: [AttentionPattern],
    _ activations: TransformerActivations<Element>
  ) {
    (self.config, self.parameters, self.activations) = (config, parameters, activations)
    blocks = zip(parameters.blocks, patterns).map { TransformerBlock($0, pattern: $1, heads: config.heads) }
  }

  /// The residual stream of some samples before each layer, and after the last.
  private func stream(_ index: Int, _ samples: TransformerBatch) -> Matrix {
    activations.streams[index].rows(0..<samples.count * config.length)
  }

  func forwardBackward(
    _ samples: TransformerBatch, _ store: any ParameterStore, textScale: Float, imageScale: Float
  ) throws -> TransformerLoss {
    let order = blocks.flatMap { [$0.attention.parameters.block, $0.mlp.parameters.block] }
    let walk = try BlockWalk(store, [parameters.embeddings.block] + order + [parameters.heads.block] + order.reversed())
    try forward(samples, walk, drops: true)

    let dStream = activations.dStream.rows(0..<samples.count * config.length)
    let loss = try walk.backward(parameters.heads.block) { w, g in
      heads(samples, w, gradients: (g, textScale: textScale, imageScale: imageScale))
    }
    let shortcuts = activations.shortcuts?.first(dStream.rows)
    shortcuts?.clearGradients()
    for layer in blocks.indices.reversed() {
      try blocks[layer].backward(
        stream(2 * layer, samples), middle: stream(2 * layer + 1, samples), walk, saved: activations.blocks[layer],
        scratch: activations.scratch, shortcuts: activations.shortcuts, dropout: dropout(samples, layer), dStream: dStream,
        recomputes: config.recompute)
    }
    shortcuts?.addStreamGradient(to: dStream)
    try walk.backward(withoutWeights: parameters.embeddings.block) { embedBackward(samples, $0) }
    return loss
  }

  func evaluate(_ samples: TransformerBatch, _ store: any ParameterStore) throws -> TransformerLoss {
    let order = blocks.flatMap { [$0.attention.parameters.block, $0.mlp.parameters.block] }
    let walk = try BlockWalk(store, [parameters.embeddings.block] + order + [parameters.heads.block])
    try forward(samples, walk, drops: false)
    return try walk.forward(parameters.heads.block) { heads(samples, $0, gradients: nil) }
  }

  private func forward(_ samples: TransformerBatch, _ walk: BlockWalk, drops: Bool) throws {
    try walk.forward(parameters.embeddings.block) { embed(samples, $0) }
    for (layer, block) in blocks.enumerated() {
      try block.forward(
        stream(2 * layer, samples), middle: stream(2 * layer + 1, samples), walk, saved: activations.blocks[layer],
        scratch: activations.scratch, shortcuts: activations.shortcuts, dropout: drops ? dropout(samples, layer) : nil,
        into: stream(2 * layer + 2, samples))
    }
  }

  private func dropout(_ samples: TransformerBatch, _ block: Int) -> (attention: Dropout, mlp: Dropout)? {
    samples.dropout.map { ($0.layer(2 * block), $0.layer(2 * block + 1)) }
  }

  // MARK: Embeddings

  private func forEachInput(
    of samples: TransformerBatch, _ body: (_ row: Int, _ terms: [Int]) -> Void
  ) {
    let (c, p) = (config, parameters.embeddings)
    for sample in 0..<samples.count {
      let first = sample * c.length
      for position in 0..<c.textLength { body(first + position, p.textTerms(samples.text[sample], at: position)) }
      let image = sample * c.imageLength
      for position in 0..<c.imageLength {
        let previous = position == 0 ? nil : samples.image[image + position - 1]
        body(first + c.textLength + position, p.imageTerms(after: previous, at: position))
      }
    }
  }

  private func embed(_ samples: TransformerBatch, _ w: BlockValues) {
    let d = config.width
    forEachInput(of: samples) { row, terms in
      let target = activations.streams[0].row(row)
      target.copy(from: w.values[terms[0]..<terms[0] + d])
      for term in terms.dropFirst() { add(w.values[term..<term + d], to: target) }
    }
  }

  private func embedBackward(_ samples: TransformerBatch, _ g: BlockValues) {
    let d = config.width
    forEachInput(of: samples) { row, terms in
      for term in terms { add(activations.dStream.row(row), to: g.values[term..<term + d]) }
    }
  }

  // MARK: Final norm and heads

  /// Loss, and with `gradients` the gradient of the stream. Only logits that can occur are computed: the text head where a
  /// text token follows, the image head at image positions, a block of rows at a time.
  private func heads(
    _ samples: TransformerBatch, _ w: BlockValues, gradients: (BlockValues, textScale: Float, imageScale: Float)?
  ) -> TransformerLoss {
    let (c, p) = (config, parameters.heads)
    let n = samples.count * c.length
    let saved = activations.finalNorm.first(n)
    let x = stream(2 * c.layers, samples)
    p.norm.forward(x, w, saved: saved, into: activations.scratch.normed.rows(0..<n))
    let dNormed = activations.scratch.dNormed.rows(0..<n)
    if gradients != nil { dNormed.vector.fill(0) }

    var loss = TransformerLoss()
    var count = 0
    for sample in 0..<samples.count {
      for (position, token) in samples.text[sample].enumerated() {
        activations.targets[count] = token
        activations.targetRows[count] = Int32(sample * c.length + position)
        count += 1
      }
    }
    loss.textTokens = count
    loss.textNats = head(
      p.text, count: count, w, gradients.map { ($0.0, $0.textScale) })

    count = 0
    for sample in 0..<samples.count {
      for position in 0..<c.imageLength {
        activations.targets[count] = samples.image[sample * c.imageLength + position]
        activations.targetRows[count] = Int32(sample * c.length + c.textLength + position)
        count += 1
      }
    }
    loss.imageTokens = count
    loss.imageNats = head(p.image, count: count, w, gradients.map { ($0.0, $0.imageScale) })

    if let (g, _, _) = gradients {
      let dStream = activations.dStream.rows(0..<n)
      dStream.vector.fill(0)
      p.norm.backward(dNormed, x, w, g, saved: saved, addingTo: dStream)
    }
    return loss
  }

  /// One head over the first `count` entries of `targets` and `targetRows`.
  private func head(_ weight: Parameter, count: Int, _ w: BlockValues, _ gradient: (BlockValues, scale: Float)?) -> Double {
    let weights: MatrixView<Element> = w.operand(weight)
    var total = 0.0
    for first in stride(from: 0, to: count, by: activations.logitRows) {
      let size = min(activations.logitRows, count - first)
      // Captions have any number of tokens; rows of zeros keep the shapes of the GEMMs, for which kernels are prepared, few.
      let padded = (size + activations.logitStep - 1) / activations.logitStep * activations.logitStep
      let scored = activations.scored.rows(0..<padded)
      for row in 0..<size { scored.row(row).copy(from: activations.scratch.normed.row(Int(activations.targetRows[first + row]))) }
      scored.rows(size..<padded).vector.fill(Element(0))
      let logits = Matrix(activations.logits.base, rows: padded, columns: weights.rows)
      let dLogits = MatrixView(activations.dLogits.base, rows: padded, columns: weights.rows)
      matmul(scored, weights, transposing: .second, into: logits)
      total += softmaxCrossEntropy(
        logits.rows(0..<size), targets: activations.targets + first, gradient: gradient.map { (dLogits.rows(0..<size), $0.scale) })
      guard let (g, _) = gradient else { continue }
      let dScored = activations.dScored.rows(0..<padded)
      dLogits.rows(size..<padded).vector.fill(Element(0))
      matmul(dLogits, scored, transposing: .first, into: g.matrix(weight), .accumulate)
      matmul(dLogits, weights, into: dScored)
      for row in 0..<size { activations.scratch.dNormed.row(Int(activations.targetRows[first + row])).copy(from: dScored.row(row)) }
    }
    return total
  }
}
