import Kernels
import Layers
import Memory

/// Codes, or their relaxation, to the parameters of a logit-Laplace distribution for every pixel: a 1x1 convolution (the
/// codebook), groups of residual blocks with upsampling between them, and a rectified 1x1 convolution.
struct DVAEDecoder {
  private let input: ConvolutionLayer
  private let groups: [[ResidualBlock]]
  private let output: ConvolutionParameters
  private let activations: DVAEActivations

  init(
    _ config: DVAEConfig, _ layers: DVAEArchitecture, _ activations: DVAEActivations, samples: Int, mode: ModelMode,
    scratch: ConvolutionScratch
  ) {
    let training = mode == .training
    self.activations = activations
    input = ConvolutionLayer(layers.decoderInput, samples: samples, training: training, scratch: scratch)
    groups = layers.decoderGroups.map {
      $0.map {
        ResidualBlock(
          $0, samples: samples, scale: config.postGain, training: training, recomputes: config.recompute, scratch: scratch)
      }
    }
    output = layers.decoderOutput
  }

  /// From `activations.relaxed` to `activations.output`, for the first `samples` samples.
  func forward(_ source: ParameterSource, samples: Int) throws {
    input.forward(
      relaxed(samples), try source.weights(of: input.parameters.weight.block), into: entry(samples))
    try forwardGroups(source, samples: samples)
  }

  /// From `[samples, grid²]` codes, all below the vocabulary's size, to `activations.output`.
  func forward(_ codes: UnsafePointer<UInt16>, _ source: ParameterSource, samples: Int) throws {
    let weights = try source.weights(of: input.parameters.weight.block)
    let entry = entry(samples)
    let width = input.parameters.shape.outputs
    selectColumns(
      codes, weights.matrix(input.parameters.weight), bias: weights[input.parameters.bias],
      into: entry.matrix(rows: entry.count / width, columns: width))
    try forwardGroups(source, samples: samples)
  }

  private func forwardGroups(_ source: ParameterSource, samples: Int) throws {
    for (index, (group, views)) in zip(groups, activations.decoder).enumerated() {
      for (place, block) in group.enumerated() {
        block.forward(
          blockInput(block, place, views, samples), try source.weights(of: block.parameters.block),
          saved: views.saved[place], scratch: activations.decoderScratch[index][place],
          into: part(views.stream, block.parameters.outputCount, samples))
      }
    }
    let rectified = part(activations.decoderRectified, output.shape.inputCount, samples)
    rectify(part(activations.decoder[groups.count - 1].stream, output.shape.inputCount, samples), into: rectified)

    // With positions as columns the six maps come out as planes.
    let weights = try source.weights(of: output.weight.block)
    let planes = outputPlanes(activations.output, samples)
    for plane in 0..<planes.rows { planes.row(plane).fill(weights[output.bias][plane]) }
    multiply(weights.matrix(output.weight), positions(rectified).transposed, into: planes, .accumulate)
  }

  /// From `activations.dOutput` to the parameters' gradients and `activations.dRelaxed`.
  func backward(_ source: ParameterSource, samples: Int) throws {
    let outputBlock = output.weight.block
    let gradients = source.gradients(of: outputBlock)
    let dPlanes = outputPlanes(activations.dOutput, samples)
    let rectified = part(activations.decoderRectified, output.shape.inputCount, samples)
    let stream = part(activations.decoder[groups.count - 1].stream, output.shape.inputCount, samples)
    multiply(dPlanes, positions(rectified), into: gradients.matrix(output.weight), .accumulate)
    for plane in 0..<dPlanes.rows { gradients[output.bias][plane] += Float(total(dPlanes.row(plane))) }
    let weights = try source.weights(of: outputBlock)
    multiply(dPlanes.transposed, weights.matrix(output.weight), into: positions(stream))
    rectifyBackward(stream, rectified: rectified)
    try source.backwardDone(outputBlock)

    for index in groups.indices.reversed() {
      let views = activations.decoder[index]
      for (place, block) in groups[index].enumerated().reversed() {
        let id = block.parameters.block
        block.backward(
          blockInput(block, place, views, samples), part(views.stream, block.parameters.outputCount, samples),
          try source.weights(of: id), source.gradients(of: id), saved: views.saved[place],
          scratch: activations.decoderScratch[index][place])
        try source.backwardDone(id)
      }
    }

    let inputBlock = input.parameters.weight.block
    input.backwardWeights(relaxed(samples), entry(samples), into: source.gradients(of: inputBlock))
    input.backwardInput(
      entry(samples), try source.weights(of: inputBlock),
      into: part(activations.dRelaxed, input.parameters.shape.inputCount, samples))
    try source.backwardDone(inputBlock)
  }

  private func relaxed(_ samples: Int) -> Vector {
    part(activations.relaxed, input.parameters.shape.inputCount, samples)
  }

  private func entry(_ samples: Int) -> Vector {
    part(activations.decoder[0].entry, input.parameters.shape.outputCount, samples)
  }

  /// Channels-last activations as `[positions, channels]`.
  private func positions(_ x: Vector) -> Matrix {
    x.matrix(rows: x.count / output.shape.inputs, columns: output.shape.inputs)
  }

  private func outputPlanes(_ batch: Vector, _ samples: Int) -> Matrix {
    let values = part(batch, output.shape.outputCount, samples)
    return values.matrix(rows: output.shape.outputs, columns: values.count / output.shape.outputs)
  }
}
