import Kernels
import Layers
import Memory
import Tokens

/// The activations of finite scalar quantization. G = N · grid²; D is the number of levels, a handful.
struct FiniteScalarActivations<Element: Scalar> {
  let bounded: Vector  // [G, D]
  let dValues: Vector  // [G, D]
  let values: VectorView<Element>  // [G, D]
  let dz: VectorView<Element>  // [G, D]
  let dEntry: VectorView<Element>  // [G, codebookDim], gradient of the decoder's entry as an operand; empty in fp32

  init(_ config: DVAEConfig, positions: Int, training: Bool, from space: inout Space) {
    let count = positions * config.levels.count
    bounded = space.vector(count)
    dValues = space.vector(training ? count : 0)
    values = space.vector(count, of: Element.self)
    dz = space.vector(training ? count : 0, of: Element.self)
    dEntry = space.vector(training && Element.self != Float.self ? positions * config.codebookDim : 0, of: Element.self)
  }
}

/// From the encoder to the decoder by finite scalar quantization (Mentzer et al. 2023): a 1x1 convolution to a few values, each rounded to
/// one of its levels, and a 1x1 convolution from the rounded values. No code can fall out of use, so there is neither noise nor a
/// temperature nor a KL term; gradients pass the rounding as if it were not there.
struct FiniteScalarQuantizer<Element: Scalar>: Quantizer {
  private let input: ConvolutionParameters
  private let output: ConvolutionParameters
  private let levels: [Int]
  private let activations: FiniteScalarActivations<Element>

  init(_ config: DVAEConfig, _ layers: DVAEArchitecture, _ activations: FiniteScalarActivations<Element>) {
    (input, output, levels) = (layers.encoder.output, layers.decoderInput, config.levels)
    self.activations = activations
  }

  func forward(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into entry: Vector
  ) throws -> Double {
    try quantize(rectified, walk) { _, _ in }
    try project(walk, into: entry)
    return 0
  }

  func backward(
    _ dEntry: Vector, _ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into dRectified: Vector
  ) throws {
    let x = rowsOfPositions(rectified, input.shape.inputs)
    let dEntry = rowsOfPositions(Element.rounded(dEntry, into: activations.dEntry), output.shape.outputs)
    let (values, dValues, dz) = (rows(activations.values, x.rows), rows(activations.dValues, x.rows), rows(activations.dz, x.rows))
    try walk.backward(output.weight.block) { weights, gradients in
      matmul(dEntry, weights.operand(output.weight), into: dValues)
      addGradients(of: output, dEntry, values, to: gradients)
    }
    let count = x.rows * levels.count
    quantizeBackward(activations.dValues[0..<count], bounded: activations.bounded[0..<count], into: activations.dz[0..<count])
    try walk.backward(input.weight.block) { weights, gradients in
      matmul(dz, weights.operand(input.weight), into: rowsOfPositions(dRectified, input.shape.inputs))
      addGradients(of: input, dz, x, to: gradients)
    }
  }

  func encode(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, measuringKL: Bool, into codes: UnsafeMutablePointer<Token>
  ) throws -> Double {
    try quantize(rectified, walk) { codes[$0] = Token($1) }
    return 0
  }

  func lookUp(_ codes: UnsafePointer<Token>, _ walk: BlockWalk, into entry: Vector) throws {
    let positions = entry.count / output.shape.outputs
    let values = rows(activations.values, positions)
    for position in 0..<positions { dequantize(Int(codes[position]), levels: levels, into: values.row(position)) }
    try project(walk, into: entry)
  }

  /// Writes the rounded values of all positions, and calls `body` with the code of each.
  private func quantize(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, _ body: (_ position: Int, _ code: Int) -> Void
  ) throws {
    let x = rowsOfPositions(rectified, input.shape.inputs)
    let (z, values) = (rows(activations.bounded, x.rows), rows(activations.values, x.rows))
    try walk.forward(input.weight.block) { weights in
      matmul(x, weights.operand(input.weight), transposing: .second, into: z, bias: weights[input.bias])
    }
    for position in 0..<x.rows { body(position, Kernels.quantize(z.row(position), levels: levels, into: values.row(position))) }
  }

  /// From the rounded values to the decoder's entry.
  private func project(_ walk: BlockWalk, into entry: Vector) throws {
    let entry = rowsOfPositions(entry, output.shape.outputs)
    try walk.forward(output.weight.block) { weights in
      matmul(
        rows(activations.values, entry.rows), weights.operand(output.weight), transposing: .second, into: entry,
        bias: weights[output.bias])
    }
  }

  private func rows<Kind>(_ values: VectorView<Kind>, _ positions: Int) -> MatrixView<Kind> {
    rowsOfPositions(values[0..<positions * levels.count], levels.count)
  }
}
