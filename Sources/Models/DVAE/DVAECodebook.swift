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

/// The published quantizer (paper 2.1): a 1x1 convolution to logits over the codes, their Gumbel-softmax relaxation (in training) or
/// argmax, and the 1x1 convolution that is the codebook. Both are GEMMs over positions.
struct DVAECodebook<Element: Scalar>: Quantizer {
  private let logits: ConvolutionParameters
  private let codebook: ConvolutionParameters
  private let activations: CodebookActivations<Element>
  private let vocabulary: Int

  init(_ layers: DVAEArchitecture, _ activations: CodebookActivations<Element>) {
    (logits, codebook, self.activations) = (layers.encoder.output, layers.decoderInput, activations)
    vocabulary = logits.shape.outputs
  }

  /// The logits of all positions of `rectified`, a block of rows at a time.
  private func forEachLogits(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, _ body: (_ position: Int, _ logits: Vector) -> Void
  ) throws {
    let x = rowsOfPositions(rectified, logits.shape.inputs)
    try walk.forward(logits.weight.block) { weights in
      forEachBlock(of: x.rows) { rows in
        let block = block(rows)
        matmul(x.rows(rows), weights.operand(logits.weight), transposing: .second, into: block, bias: weights[logits.bias])
        for row in rows { body(row, block.row(row - rows.lowerBound)) }
      }
    }
  }

  /// Relaxes the codes and looks them up.
  func forward(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into entry: Vector
  ) throws -> Double {
    let rows = rectified.count / logits.shape.inputs
    let (relaxed, dLogits) = (rowsOf(activations.relaxed, rows), rowsOf(activations.dLogits, rows))
    var kl = 0.0
    try forEachLogits(rectified, walk) { position, logits in
      relaxation.noise(position, activations.noise)
      kl += relax(
        logits, noise: activations.noise, temperature: relaxation.temperature, klWeight: relaxation.klWeight,
        into: relaxed.row(position), klGradient: dLogits.row(position))
    }
    try walk.forward(codebook.weight.block) { weights in
      matmul(
        relaxed, weights.operand(codebook.weight), transposing: .second, into: rowsOfPositions(entry, codebook.shape.outputs),
        bias: weights[codebook.bias])
    }
    return kl
  }

  func backward(
    _ dEntry: Vector, _ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into dRectified: Vector
  ) throws {
    let rows = rectified.count / logits.shape.inputs
    let (relaxed, dLogits) = (rowsOf(activations.relaxed, rows), rowsOf(activations.dLogits, rows))
    let dEntry = rowsOfPositions(Element.rounded(dEntry, into: activations.dEntry), codebook.shape.outputs)
    try walk.backward(codebook.weight.block) { weights, gradients in
      forEachBlock(of: rows) { rows in
        let dRelaxed = block(rows)
        matmul(dEntry.rows(rows), weights.operand(codebook.weight), into: dRelaxed)
        for row in rows {
          relaxBackward(
            dRelaxed.row(row - rows.lowerBound), relaxed.row(row), temperature: relaxation.temperature, addingTo: dLogits.row(row))
        }
      }
      addGradients(of: codebook, dEntry, relaxed, to: gradients)
    }
    try walk.backward(logits.weight.block) { weights, gradients in
      matmul(dLogits, weights.operand(logits.weight), into: rowsOfPositions(dRectified, logits.shape.inputs))
      addGradients(of: logits, dLogits, rowsOfPositions(rectified, logits.shape.inputs), to: gradients)
    }
  }

  func encode(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, measuringKL: Bool, into codes: UnsafeMutablePointer<Token>
  ) throws -> Double {
    var kl = 0.0
    try forEachLogits(rectified, walk) { position, logits in
      codes[position] = Token(indexOfLargest(logits))
      if measuringKL { kl += klFromUniform(logits) }
    }
    return kl
  }

  func lookUp(_ codes: UnsafePointer<Token>, _ walk: BlockWalk, into entry: Vector) throws {
    try walk.forward(codebook.weight.block) { weights in
      selectColumns(
        codes, weights.matrix(codebook.weight), bias: weights[codebook.bias], into: rowsOfPositions(entry, codebook.shape.outputs))
    }
  }

  private func forEachBlock(of rows: Int, _ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: rows, by: CodebookActivations<Element>.blockRows) {
      body(first..<min(first + CodebookActivations<Element>.blockRows, rows))
    }
  }

  private func block(_ rows: Range<Int>) -> Matrix { rowsOf(activations.block, rows.count) }

  private func rowsOf<Kind>(_ values: VectorView<Kind>, _ rows: Int) -> MatrixView<Kind> {
    rowsOfPositions(values[0..<rows * vocabulary], vocabulary)
  }
}
