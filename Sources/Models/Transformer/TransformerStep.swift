import Kernels
import Layers
import Memory

/// One micro-batch on its way through the transformer: each block forward, and its backward right below.
/// n = samples · length, d = width.
struct TransformerStep<Element: Scalar> {
  private let model: Transformer
  private let a: TransformerActivations<Element>
  private let n: Int

  init(_ model: Transformer, _ activations: TransformerActivations<Element>, samples: Int) {
    self.model = model
    a = activations
    n = samples * model.config.length
  }

  private var heads: Int { model.config.heads }
  private func rows<Kind>(_ matrix: MatrixView<Kind>) -> MatrixView<Kind> { matrix.rows(0..<n) }
  private func rows(_ vector: Vector) -> Vector { vector[0..<n] }
  private func logSums(_ layer: Int) -> Vector { a.layers[layer].logSums[0..<heads * n] }
  /// The gradient of the stream as an operand.
  private func roundedStream() -> MatrixView<Element> {
    Element.rounded(rows(a.dStream).vector, into: a.dStreamRounded).matrix(rows: n, columns: model.config.width)
  }

  // MARK: Attention resblock: x + W_o · attention(W_qkv · norm(x))

  func attention(_ layer: Int, _ p: TransformerParameters.Attention, _ w: BlockValues) {
    attentionInner(layer, p, w)
    let saved = a.layers[layer]
    multiply(
      rows(saved.attended), w.operand(p.outputWeight).transposed, into: rows(a.streams[2 * layer + 1]), bias: w[p.outputBias],
      residual: rows(a.streams[2 * layer]))
  }

  /// Everything that the backward pass needs; computed again there when activations are not kept.
  private func attentionInner(_ layer: Int, _ p: TransformerParameters.Attention, _ w: BlockValues) {
    let saved = a.layers[layer]
    layerNorm(
      rows(a.streams[2 * layer]), gain: w[p.gain], bias: w[p.bias], into: rows(a.normed), means: rows(saved.attentionMeans),
      inverseDeviations: rows(saved.attentionDeviations))
    multiply(rows(a.normed), w.operand(p.qkvWeight).transposed, into: rows(saved.qkv), bias: w[p.qkvBias])
    model.patterns[layer].forward(
      rows(saved.qkv), heads: heads, into: rows(saved.attended), logSums: logSums(layer), scratch: a.scratch)
  }

  /// Turns the gradient of the stream after the block into that before it, and adds to the block's gradient.
  func attentionBackward(_ layer: Int, _ p: TransformerParameters.Attention, _ w: BlockValues, _ g: BlockValues) {
    let saved = a.layers[layer]
    let x = rows(a.streams[2 * layer])
    if model.config.recompute {
      attentionInner(layer, p, w)
    } else {
      layerNormAgain(
        x, gain: w[p.gain], bias: w[p.bias], means: rows(saved.attentionMeans),
        inverseDeviations: rows(saved.attentionDeviations), into: rows(a.normed))
    }
    let dStream = roundedStream()
    let dAttended = rows(a.dAttended)
    let dQKV = MatrixView(a.wide.base, rows: n, columns: 3 * model.config.width)
    multiply(dStream.transposed, rows(saved.attended), into: g.matrix(p.outputWeight), .accumulate)
    biasBackward(rows(a.dStream), addingTo: g[p.outputBias])
    multiply(dStream, w.operand(p.outputWeight), into: dAttended)
    model.patterns[layer].backward(
      dAttended, rows(saved.qkv), output: rows(saved.attended), logSums: logSums(layer), heads: heads, into: dQKV,
      scratch: a.scratch)
    multiply(dQKV.transposed, rows(a.normed), into: g.matrix(p.qkvWeight), .accumulate)
    biasBackward(dQKV, addingTo: g[p.qkvBias])
    multiply(dQKV, w.operand(p.qkvWeight), into: rows(a.dNormed))
    layerNormBackward(
      rows(a.dNormed), x, gain: w[p.gain], means: rows(saved.attentionMeans),
      inverseDeviations: rows(saved.attentionDeviations), addingTo: rows(a.dStream), dGain: g[p.gain], dBias: g[p.bias])
  }

  // MARK: MLP resblock: x + W_down · gelu(W_up · norm(x))

  func mlp(_ layer: Int, _ p: TransformerParameters.MLP, _ w: BlockValues) {
    mlpInner(layer, p, w)
    quickGELU(rows(a.layers[layer].up).vector, into: rows(a.wide).vector)
    multiply(
      rows(a.wide), w.operand(p.downWeight).transposed, into: rows(a.streams[2 * layer + 2]), bias: w[p.downBias],
      residual: rows(a.streams[2 * layer + 1]))
  }

  private func mlpInner(_ layer: Int, _ p: TransformerParameters.MLP, _ w: BlockValues) {
    let saved = a.layers[layer]
    layerNorm(
      rows(a.streams[2 * layer + 1]), gain: w[p.gain], bias: w[p.bias], into: rows(a.normed), means: rows(saved.mlpMeans),
      inverseDeviations: rows(saved.mlpDeviations))
    multiply(rows(a.normed), w.operand(p.upWeight).transposed, into: rows(saved.up), bias: w[p.upBias])
  }

  func mlpBackward(_ layer: Int, _ p: TransformerParameters.MLP, _ w: BlockValues, _ g: BlockValues) {
    let saved = a.layers[layer]
    let x = rows(a.streams[2 * layer + 1])
    if model.config.recompute {
      mlpInner(layer, p, w)
    } else {
      layerNormAgain(
        x, gain: w[p.gain], bias: w[p.bias], means: rows(saved.mlpMeans), inverseDeviations: rows(saved.mlpDeviations),
        into: rows(a.normed))
    }
    let dStream = roundedStream()
    let dUp = rows(a.dWide)
    multiply(dStream, w.operand(p.downWeight), into: dUp)
    quickGELUBackward(dUp, rows(saved.up), again: rows(a.wide), addingTo: g[p.upBias])
    multiply(dStream.transposed, rows(a.wide), into: g.matrix(p.downWeight), .accumulate)
    biasBackward(rows(a.dStream), addingTo: g[p.downBias])
    multiply(dUp.transposed, rows(a.normed), into: g.matrix(p.upWeight), .accumulate)
    multiply(dUp, w.operand(p.upWeight), into: rows(a.dNormed))
    layerNormBackward(
      rows(a.dNormed), x, gain: w[p.gain], means: rows(saved.mlpMeans), inverseDeviations: rows(saved.mlpDeviations),
      addingTo: rows(a.dStream), dGain: g[p.gain], dBias: g[p.bias])
  }

  // MARK: Embeddings

  private func forEachInput(
    _ p: TransformerParameters.Embeddings, _ samples: TransformerBatch, _ body: (_ row: Int, _ terms: [Int]) -> Void
  ) {
    let c = model.config
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

  func embed(_ p: TransformerParameters.Embeddings, _ samples: TransformerBatch, _ w: BlockValues) {
    let d = model.config.width
    forEachInput(p, samples) { row, terms in
      let target = a.streams[0].row(row)
      target.copy(from: w.values[terms[0]..<terms[0] + d])
      for term in terms.dropFirst() { add(w.values[term..<term + d], to: target) }
    }
  }

  func embedBackward(_ p: TransformerParameters.Embeddings, _ samples: TransformerBatch, _ g: BlockValues) {
    let d = model.config.width
    forEachInput(p, samples) { row, terms in
      for term in terms { add(a.dStream.row(row), to: g.values[term..<term + d]) }
    }
  }

  // MARK: Final norm and heads

  /// Loss, and with `gradients` the gradient of the stream. Only logits that can occur are computed: the text head where a
  /// text token follows, the image head at image positions, a block of rows at a time.
  func heads(
    _ p: TransformerParameters.Heads, _ samples: TransformerBatch, _ w: BlockValues,
    gradients: (BlockValues, textScale: Float, imageScale: Float)?
  ) -> TransformerLoss {
    let c = model.config
    let x = rows(a.streams[2 * c.layers])
    layerNorm(
      x, gain: w[p.gain], bias: w[p.bias], into: rows(a.normed), means: rows(a.finalMeans),
      inverseDeviations: rows(a.finalDeviations))
    if gradients != nil { rows(a.dNormed).vector.fill(0) }

    var loss = TransformerLoss()
    var count = 0
    for sample in 0..<samples.count {
      for (position, token) in samples.text[sample].enumerated() {
        a.targets[count] = token
        a.targetRows[count] = Int32(sample * c.length + position)
        count += 1
      }
    }
    loss.textTokens = count
    loss.textNats = head(
      p.text, count: count, w, gradients.map { ($0.0, $0.textScale) })

    count = 0
    for sample in 0..<samples.count {
      for position in 0..<c.imageLength {
        a.targets[count] = samples.image[sample * c.imageLength + position]
        a.targetRows[count] = Int32(sample * c.length + c.textLength + position)
        count += 1
      }
    }
    loss.imageTokens = count
    loss.imageNats = head(p.image, count: count, w, gradients.map { ($0.0, $0.imageScale) })

    if let (g, _, _) = gradients {
      rows(a.dStream).vector.fill(0)
      layerNormBackward(
        rows(a.dNormed), x, gain: w[p.gain], means: rows(a.finalMeans), inverseDeviations: rows(a.finalDeviations),
        addingTo: rows(a.dStream), dGain: g[p.gain], dBias: g[p.bias])
    }
    return loss
  }

  /// One head over the first `count` entries of `targets` and `targetRows`.
  private func head(_ weight: Parameter, count: Int, _ w: BlockValues, _ gradient: (BlockValues, scale: Float)?) -> Double {
    let weights: MatrixView<Element> = w.operand(weight)
    var total = 0.0
    for first in stride(from: 0, to: count, by: a.logitRows) {
      let size = min(a.logitRows, count - first)
      // Captions have any number of tokens; rows of zeros keep the shapes of the products, for which kernels are prepared, few.
      let padded = (size + a.logitStep - 1) / a.logitStep * a.logitStep
      let scored = a.scored.rows(0..<padded)
      for row in 0..<size { scored.row(row).copy(from: a.normed.row(Int(a.targetRows[first + row]))) }
      scored.rows(size..<padded).vector.fill(Element(0))
      let logits = Matrix(a.logits.base, rows: padded, columns: weights.rows)
      let dLogits = MatrixView(a.dLogits.base, rows: padded, columns: weights.rows)
      multiply(scored, weights.transposed, into: logits)
      total += softmaxCrossEntropy(
        logits.rows(0..<size), targets: a.targets + first, gradient: gradient.map { (dLogits.rows(0..<size), $0.scale) })
      guard let (g, _) = gradient else { continue }
      let dScored = a.dScored.rows(0..<padded)
      dLogits.rows(size..<padded).vector.fill(Element(0))
      multiply(dLogits.transposed, scored, into: g.matrix(weight), .accumulate)
      multiply(dLogits, weights, into: dScored)
      for row in 0..<size { a.dNormed.row(Int(a.targetRows[first + row])).copy(from: dScored.row(row)) }
    }
    return total
  }
}
