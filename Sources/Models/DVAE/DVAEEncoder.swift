import Kernels
import Layers
import Memory

/// Pictures to logits over the codes: a 7x7 convolution, groups of residual blocks with max-pooling between them, and a
/// rectified 1x1 convolution.
struct DVAEEncoder {
  private let input: ConvolutionLayer
  private let groups: [[ResidualBlock]]
  private let output: ConvolutionLayer
  private let activations: DVAEActivations

  init(
    _ config: DVAEConfig, _ layers: DVAEArchitecture, _ activations: DVAEActivations, samples: Int, mode: ModelMode,
    scratch: ConvolutionScratch
  ) {
    let training = mode == .training
    self.activations = activations
    input = ConvolutionLayer(layers.encoderInput, samples: samples, training: training, scratch: scratch)
    groups = layers.encoderGroups.map {
      $0.map {
        ResidualBlock(
          $0, samples: samples, scale: config.postGain, training: training, recomputes: config.recompute, scratch: scratch)
      }
    }
    output = ConvolutionLayer(layers.encoderOutput, samples: samples, training: training, scratch: scratch)
  }

  /// From `activations.image` to `activations.logits`, for the first `samples` samples.
  func forward(_ source: ParameterSource, samples: Int) throws {
    let first = part(activations.encoder[0].entry, groups[0][0].parameters.inputCount, samples)
    input.forward(
      part(activations.image, input.parameters.shape.inputCount, samples),
      try source.weights(of: input.parameters.weight.block), into: first)
    for (index, (group, views)) in zip(groups, activations.encoder).enumerated() {
      if index > 0 {
        maxPool(streamPictures(index - 1, samples), into: entryPictures(index, samples))
      }
      for (place, block) in group.enumerated() {
        block.forward(
          blockInput(block, place, views, samples), try source.weights(of: block.parameters.block),
          saved: views.saved[place], scratch: activations.encoderScratch[index][place],
          into: part(views.stream, block.parameters.outputCount, samples))
      }
    }
    let rectified = part(activations.encoderRectified, output.parameters.shape.inputCount, samples)
    rectify(part(activations.encoder[groups.count - 1].stream, output.parameters.shape.inputCount, samples), into: rectified)
    output.forward(
      rectified, try source.weights(of: output.parameters.weight.block),
      into: part(activations.logits, output.parameters.shape.outputCount, samples))
  }

  /// From the gradient in `activations.logits` to the parameters' gradients.
  func backward(_ source: ParameterSource, samples: Int) throws {
    let outputBlock = output.parameters.weight.block
    let dLogits = part(activations.logits, output.parameters.shape.outputCount, samples)
    let rectified = part(activations.encoderRectified, output.parameters.shape.inputCount, samples)
    let stream = part(activations.encoder[groups.count - 1].stream, output.parameters.shape.inputCount, samples)
    output.backwardWeights(rectified, dLogits, into: source.gradients(of: outputBlock))
    output.backwardInput(dLogits, try source.weights(of: outputBlock), into: stream)
    rectifyBackward(stream, rectified: rectified)
    try source.backwardDone(outputBlock)

    for index in groups.indices.reversed() {
      let views = activations.encoder[index]
      for (place, block) in groups[index].enumerated().reversed() {
        let id = block.parameters.block
        block.backward(
          blockInput(block, place, views, samples), part(views.stream, block.parameters.outputCount, samples),
          try source.weights(of: id), source.gradients(of: id), saved: views.saved[place],
          scratch: activations.encoderScratch[index][place])
        try source.backwardDone(id)
      }
      if index > 0 { maxPoolBackward(entryPictures(index, samples), streamPictures(index - 1, samples)) }
    }

    let inputBlock = input.parameters.weight.block
    input.backwardWeights(
      part(activations.image, input.parameters.shape.inputCount, samples),
      part(activations.encoder[0].entry, input.parameters.shape.outputCount, samples),
      into: source.gradients(of: inputBlock))
    try source.backwardDone(inputBlock)
  }

  private func streamPictures(_ group: Int, _ samples: Int) -> Pictures {
    let block = groups[group][0].parameters
    return Pictures(
      part(activations.encoder[group].stream, block.outputCount, samples), samples: samples, height: block.outputSize,
      width: block.outputSize, channels: block.outputs)
  }

  private func entryPictures(_ group: Int, _ samples: Int) -> Pictures {
    let block = groups[group][0].parameters
    return Pictures(
      part(activations.encoder[group].entry, block.inputCount, samples), samples: samples, height: block.inputSize,
      width: block.inputSize, channels: block.inputs)
  }
}

/// The first `samples` samples of a batch.
func part(_ batch: Vector, _ countPerSample: Int, _ samples: Int) -> Vector { batch[0..<countPerSample * samples] }

/// The first block of a group reads its entry, the others the stream.
func blockInput(_ block: ResidualBlock, _ place: Int, _ group: GroupActivations, _ samples: Int) -> Vector {
  part(place == 0 ? group.entry : group.stream, block.parameters.inputCount, samples)
}
