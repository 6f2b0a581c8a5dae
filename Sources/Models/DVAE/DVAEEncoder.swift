import Kernels
import Layers
import Memory

/// From images to the input of the convolution that gives the logits over the codes: a 7x7 convolution, groups of residual blocks with max-pooling between
/// them, and a rectifier.
struct DVAEEncoder<Element: Scalar> {
  private let input: ConvolutionLayer<Element>
  private let groups: [[ResidualBlock<Element>]]
  private let activations: EncoderActivations<Element>

  init(
    _ config: DVAEConfig, _ layers: EncoderLayers, _ activations: EncoderActivations<Element>, samples: Int, mode: ModelMode,
    scratch: ConvolutionScratch
  ) {
    let training = mode == .training
    self.activations = activations
    input = ConvolutionLayer(layers.input, samples: samples, training: training, scratch: scratch)
    groups = layers.groups.map {
      $0.map {
        ResidualBlock(
          $0, samples: samples, scale: config.postGain, training: training, recomputes: config.recompute, scratch: scratch)
      }
    }
  }

  /// From `activations.image` to `activations.rectified`, for the first `samples` samples.
  func forward(_ walk: BlockWalk, samples: Int) throws {
    let first = part(activations.groups[0].entry, groups[0][0].parameters.inputCount, samples)
    try walk.forward(input.parameters.weight.block) {
      input.forward(part(activations.image, input.parameters.shape.inputCount, samples), $0, into: first)
    }
    for (index, (group, views)) in zip(groups, activations.groups).enumerated() {
      if index > 0 {
        maxPool(streamMaps(index - 1, samples), into: entryMaps(index, samples))
      }
      for (number, block) in group.enumerated() {
        try walk.forward(block.parameters.block) {
          block.forward(
            blockInput(block, number, views, samples), $0, saved: views.saved[number],
            scratch: activations.scratch[index][number], into: part(views.stream, block.parameters.outputCount, samples))
        }
      }
    }
    rectify(output(samples), into: rectified(samples))
  }

  /// From the gradient of `rectified`, in place of the stream that was rectified (`output`), to the parameters' gradients.
  func backward(_ walk: BlockWalk, samples: Int) throws {
    try backwardGroups(walk, samples: samples, features: nil)
    let dEntry = part(activations.groups[0].entry, input.parameters.shape.outputCount, samples)
    try walk.backward(withoutWeights: input.parameters.weight.block) {
      input.backwardWeights(
        part(activations.image, input.parameters.shape.inputCount, samples),
        Element.rounded(dEntry, into: activations.dEntry), into: $0)
    }
  }

  /// The same to the image's gradient alone, `[samples, imageSize², 3]`.
  ///
  /// - Parameter features: further gradients of the streams after each group.
  func backwardToImage(_ walk: BlockWalk, samples: Int, adding features: [Vector], into dImage: Vector) throws {
    try backwardGroups(walk, samples: samples, features: features)
    let dEntry = part(activations.groups[0].entry, input.parameters.shape.outputCount, samples)
    try walk.forward(input.parameters.weight.block) {
      input.backwardInput(Element.rounded(dEntry, into: activations.dEntry), $0, into: dImage)
    }
  }

  /// - Parameter features: without them the parameters get gradients.
  private func backwardGroups(_ walk: BlockWalk, samples: Int, features: [Vector]?) throws {
    rectifyBackward(output(samples), rectified: rectified(samples))
    for index in groups.indices.reversed() {
      if let features { add(features[index], to: stream(index, samples)) }
      let views = activations.groups[index]
      for (number, block) in groups[index].enumerated().reversed() {
        func backward(_ weights: BlockValues, _ gradients: BlockValues?) {
          block.backward(
            blockInput(block, number, views, samples), part(views.stream, block.parameters.outputCount, samples), weights,
            gradients,
            saved: views.saved[number], scratch: activations.scratch[index][number])
        }
        if features == nil {
          try walk.backward(block.parameters.block, backward)
        } else {
          try walk.forward(block.parameters.block) { backward($0, nil) }
        }
      }
      if index > 0 { maxPoolBackward(entryMaps(index, samples), streamMaps(index - 1, samples)) }
    }
  }

  /// The stream after the last group, which is rectified.
  func output(_ samples: Int) -> Vector { stream(groups.count - 1, samples) }

  /// The stream after a group.
  func stream(_ group: Int, _ samples: Int) -> Vector {
    part(activations.groups[group].stream, groups[group][0].parameters.outputCount, samples)
  }

  func rectified(_ samples: Int) -> VectorView<Element> { activations.rectified[0..<output(samples).count] }

  private func streamMaps(_ group: Int, _ samples: Int) -> FeatureMaps<Float> {
    let block = groups[group][0].parameters
    return FeatureMaps(
      stream(group, samples), samples: samples, height: block.outputSize,
      width: block.outputSize, channels: block.outputs)
  }

  private func entryMaps(_ group: Int, _ samples: Int) -> FeatureMaps<Float> {
    let block = groups[group][0].parameters
    return FeatureMaps(
      part(activations.groups[group].entry, block.inputCount, samples), samples: samples, height: block.inputSize,
      width: block.inputSize, channels: block.inputs)
  }
}

/// The first `samples` samples of a batch.
func part<Kind>(_ batch: VectorView<Kind>, _ countPerSample: Int, _ samples: Int) -> VectorView<Kind> {
  batch[0..<countPerSample * samples]
}

/// The input of block `number` of a group: the first block reads the group's entry, the others the stream.
func blockInput<Element>(
  _ block: ResidualBlock<Element>, _ number: Int, _ group: GroupActivations<Element>, _ samples: Int
) -> Vector {
  part(number == 0 ? group.entry : group.stream, block.parameters.inputCount, samples)
}
