import Kernels
import Layers
import Memory
import Tokens

/// The codebook's activations. G = N · grid². Logits and the gradient of their relaxation exist a block of rows at a time.
struct CodebookActivations<Element: Scalar> {
  let block: Vector  // [blockRows, vocabulary]
  let noise: Vector  // one row of Gumbel noise
  let relaxed: VectorView<Element>  // [G, vocabulary]
  let dLogits: VectorView<Element>  // [G, vocabulary]; after the forward pass, the part of the KL term
  let dEntry: VectorView<Element>  // [G, codebookDim], gradient of the decoder's entry as an operand; empty in fp32

  /// Rows of logits that exist at a time: enough for GEMMs to be fast.
  static var blockRows: Int { 256 }

  init(_ config: DVAEConfig, positions: Int, training: Bool, from space: inout Space) {
    func take(_ isNeeded: Bool, _ columns: Int) -> VectorView<Element> {
      space.vector(isNeeded ? positions * columns : 0, of: Element.self)
    }
    block = space.vector(min(Self.blockRows, positions) * config.vocabulary)
    noise = space.vector(training ? (config.vocabulary + 63) & ~63 : 0)
    relaxed = take(training, config.vocabulary)
    dLogits = take(training, config.vocabulary)
    dEntry = take(training && Element.self != Float.self, config.codebookDim)
  }
}

/// From the encoder to the decoder: a 1x1 convolution to logits over the codes, their relaxation (in training) or argmax, and the 1x1
/// convolution that is the codebook. Both are GEMMs over positions.
struct DVAECodebook<Element: Scalar> {
  private let logits: ConvolutionParameters
  private let codebook: ConvolutionParameters
  private let activations: CodebookActivations<Element>
  private let vocabulary: Int

  init(_ layers: DVAEArchitecture, _ activations: CodebookActivations<Element>) {
    (logits, codebook, self.activations) = (layers.encoderOutput, layers.decoderInput, activations)
    vocabulary = logits.shape.outputs
  }

  /// The logits of all positions of `rectified`, a block of rows at a time.
  func forEachLogits(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, _ body: (_ position: Int, _ logits: Vector) -> Void
  ) throws {
    let x = positions(rectified, logits.shape.inputs)
    try walk.forward(logits.weight.block) { weights in
      forEachBlock(of: x.rows) { rows in
        let block = block(rows)
        matmul(x.rows(rows), weights.operand(logits.weight), transposing: .second, into: block, bias: weights[logits.bias])
        for row in rows { body(row, block.row(row - rows.lowerBound)) }
      }
    }
  }

  /// Relaxes the codes of all positions of `rectified` and looks them up: writes the decoder's entry, and returns the sum of the KL
  /// term in nats. `noise` writes the noise of a position.
  func relax(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, temperature: Float, klWeight: Float,
    noise: (_ position: Int, _ row: Vector) -> Void, into entry: Vector
  ) throws -> Double {
    let rows = rectified.count / logits.shape.inputs
    let (relaxed, dLogits) = (rowsOf(activations.relaxed, rows), rowsOf(activations.dLogits, rows))
    var kl = 0.0
    try forEachLogits(rectified, walk) { position, logits in
      noise(position, activations.noise)
      kl += Kernels.relax(
        logits, noise: activations.noise, temperature: temperature, klWeight: klWeight, into: relaxed.row(position),
        klGradient: dLogits.row(position))
    }
    try walk.forward(codebook.weight.block) { weights in
      matmul(
        relaxed, weights.operand(codebook.weight), transposing: .second, into: positions(entry, codebook.shape.outputs),
        bias: weights[codebook.bias])
    }
    return kl
  }

  /// From the gradient of the decoder's entry to the parameters' gradients and that of `rectified`, in `dRectified`.
  func relaxBackward(
    _ dEntry: Vector, _ rectified: VectorView<Element>, _ walk: BlockWalk, temperature: Float, into dRectified: Vector
  ) throws {
    let rows = rectified.count / logits.shape.inputs
    let (relaxed, dLogits) = (rowsOf(activations.relaxed, rows), rowsOf(activations.dLogits, rows))
    let dEntry = positions(Element.rounded(dEntry, into: activations.dEntry), codebook.shape.outputs)
    try walk.backward(codebook.weight.block) { weights, gradients in
      forEachBlock(of: rows) { rows in
        let dRelaxed = block(rows)
        matmul(dEntry.rows(rows), weights.operand(codebook.weight), into: dRelaxed)
        for row in rows {
          Kernels.relaxBackward(
            dRelaxed.row(row - rows.lowerBound), relaxed.row(row), temperature: temperature, addingTo: dLogits.row(row))
        }
      }
      addGradients(of: codebook, dEntry, relaxed, to: gradients)
    }
    try walk.backward(logits.weight.block) { weights, gradients in
      matmul(dLogits, weights.operand(logits.weight), into: positions(dRectified, logits.shape.inputs))
      addGradients(of: logits, dLogits, positions(rectified, logits.shape.inputs), to: gradients)
    }
  }

  /// The decoder's entry for given codes, all below the vocabulary's size.
  func lookUp(_ codes: UnsafePointer<Token>, _ walk: BlockWalk, into entry: Vector) throws {
    try walk.forward(codebook.weight.block) { weights in
      selectColumns(
        codes, weights.matrix(codebook.weight), bias: weights[codebook.bias], into: positions(entry, codebook.shape.outputs))
    }
  }

  private func addGradients(
    of layer: ConvolutionParameters, _ dy: MatrixView<Element>, _ x: MatrixView<Element>, to gradients: BlockValues
  ) {
    matmul(dy, x, transposing: .first, into: gradients.matrix(layer.weight), .accumulate)
    biasBackward(dy, addingTo: gradients[layer.bias])
  }

  private func forEachBlock(of rows: Int, _ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: rows, by: CodebookActivations<Element>.blockRows) {
      body(first..<min(first + CodebookActivations<Element>.blockRows, rows))
    }
  }

  private func block(_ rows: Range<Int>) -> Matrix { rowsOf(activations.block, rows.count) }

  private func rowsOf<Kind>(_ values: VectorView<Kind>, _ rows: Int) -> MatrixView<Kind> {
    positions(values[0..<rows * vocabulary], vocabulary)
  }

  /// Channels-last activations as `[positions, channels]`.
  private func positions<Kind>(_ values: VectorView<Kind>, _ channels: Int) -> MatrixView<Kind> {
    values.matrix(rows: values.count / channels, columns: channels)
  }
}
