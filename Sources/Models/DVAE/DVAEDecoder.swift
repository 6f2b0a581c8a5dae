import Kernels
import Layers
import Memory

/// From the codebook's output to the parameters of a logit-Laplace distribution for every pixel: groups of residual blocks with
/// upsampling between them, and a rectified 1x1 convolution.
struct DVAEDecoder<Element: Scalar> {
  private let groups: [[ResidualBlock<Element>]]
  private let output: ConvolutionParameters
  private let activations: DecoderActivations<Element>

  init(
    _ config: DVAEConfig, _ layers: DecoderLayers, _ activations: DecoderActivations<Element>, samples: Int, mode: ModelMode,
    scratch: ConvolutionScratch
  ) {
    let training = mode == .training
    self.activations = activations
    groups = layers.groups.map {
      $0.map {
        ResidualBlock(
          $0, samples: samples, scale: config.postGain, training: training, recomputes: config.recompute, scratch: scratch)
      }
    }
    output = layers.output
  }

  /// Where the codebook writes its output, and `backward` that output's gradient.
  func entry(_ samples: Int) -> Vector {
    part(activations.groups[0].entry, groups[0][0].parameters.inputCount, samples)
  }

  /// From `entry` to `activations.output`, for the first `samples` samples.
  func forward(_ walk: BlockWalk, samples: Int) throws {
    for (index, (group, views)) in zip(groups, activations.groups).enumerated() {
      for (number, block) in group.enumerated() {
        try walk.forward(block.parameters.block) {
          block.forward(
            blockInput(block, number, views, samples), $0, saved: views.saved[number],
            scratch: activations.scratch[index][number], into: part(views.stream, block.parameters.outputCount, samples))
        }
      }
    }
    let rectified = part(activations.rectified, output.shape.inputCount, samples)
    rectify(part(activations.groups[groups.count - 1].stream, output.shape.inputCount, samples), into: rectified)

    // With positions as columns the six maps come out as planes.
    let planes = outputPlanes(activations.output, samples)
    try walk.forward(output.weight.block) { weights in
      for plane in 0..<planes.rows { planes.row(plane).fill(weights[output.bias][plane]) }
      matmul(weights.operand(output.weight), positions(rectified), transposing: .second, into: planes, .accumulate)
    }
  }

  /// From `activations.dOutput` to the parameters' gradients and that of `entry`, in its place.
  func backward(_ walk: BlockWalk, samples: Int) throws {
    let dPlanes = outputPlanes(activations.dOutput, samples)
    let rectified = part(activations.rectified, output.shape.inputCount, samples)
    let stream = part(activations.groups[groups.count - 1].stream, output.shape.inputCount, samples)
    try walk.backward(output.weight.block) { weights, gradients in
      matmul(dPlanes, positions(rectified), into: gradients.matrix(output.weight), .accumulate)
      for plane in 0..<dPlanes.rows { gradients[output.bias][plane] += Float(total(dPlanes.row(plane))) }
      matmul(dPlanes, weights.operand(output.weight), transposing: .first, into: positions(stream))
      rectifyBackward(stream, rectified: rectified)
    }

    for index in groups.indices.reversed() {
      let views = activations.groups[index]
      for (number, block) in groups[index].enumerated().reversed() {
        try walk.backward(block.parameters.block) { w, g in
          block.backward(
            blockInput(block, number, views, samples), part(views.stream, block.parameters.outputCount, samples), w, g,
            saved: views.saved[number], scratch: activations.scratch[index][number])
        }
      }
    }
  }

  /// Channels-last activations as `[positions, channels]`.
  private func positions<Kind>(_ x: VectorView<Kind>) -> MatrixView<Kind> {
    x.matrix(rows: x.count / output.shape.inputs, columns: output.shape.inputs)
  }

  private func outputPlanes<Kind>(_ batch: VectorView<Kind>, _ samples: Int) -> MatrixView<Kind> {
    let values = part(batch, output.shape.outputCount, samples)
    return values.matrix(rows: output.shape.outputs, columns: values.count / output.shape.outputs)
  }
}
