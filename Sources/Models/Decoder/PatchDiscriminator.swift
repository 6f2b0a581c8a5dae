import Kernels
import Layers
import Memory

/// Tells decoded images from real ones, a patch at a time (Isola et al. 2017): an encoder whose last convolution gives one number for
/// every position of the grid, high for what looks real.
struct PatchDiscriminator<Element: Scalar> {
  struct Activations {
    let encoder: EncoderActivations<Element>
    let logits: Vector  // [2 G]
    let dLogits: VectorView<Element>  // [2 G]
    /// The stream after each group for the real images; then the gradient of their distance for the decoded ones.
    let features: [Vector]

    /// For so many decoded and as many real images.
    init(_ layers: EncoderLayers, samples: Int, from space: inout Space) {
      var memory = BlockMemory<Element>(layers.groups, samples: 2 * samples, training: true, recompute: false, from: &space)
      encoder = EncoderActivations(layers, samples: 2 * samples, training: true, memory: &memory, from: &space)
      logits = space.vector(2 * samples * layers.output.shape.outputCount)
      dLogits = space.vector(logits.count, of: Element.self)
      features = layers.groups.map { space.vector(samples * $0[0].outputCount) }
    }
  }

  private let layers: EncoderLayers
  private let encoder: DVAEEncoder<Element>
  private let activations: Activations
  private var patches: Int { layers.output.shape.outputCount }

  init(_ config: DVAEConfig, _ layers: EncoderLayers, _ activations: Activations, samples: Int, scratch: ConvolutionScratch) {
    (self.layers, self.activations) = (layers, activations)
    encoder = DVAEEncoder(config, layers, activations.encoder, samples: 2 * samples, mode: .training, scratch: scratch)
  }

  /// Where decoded images lie, `[count, imageSize², 3]`, and after them the real ones.
  func images(decoded count: Int) -> (decoded: VectorView<Element>, real: VectorView<Element>) {
    let values = count * layers.input.shape.inputCount
    return (activations.encoder.image[0..<values], activations.encoder.image[values..<2 * values])
  }

  /// Adds the gradient of the hinge loss for `count` decoded and as many real images, and keeps the features of the real ones. Returns the
  /// loss, summed over samples.
  func learn(_ store: ParameterStore, decoded count: Int, scale: Float) throws -> Double {
    let walk = try BlockWalk(store, layers.blocks + layers.blocks.dropFirst().reversed())
    try forward(walk, samples: 2 * count)
    for (group, features) in activations.features.enumerated() {
      let stream = encoder.stream(group, 2 * count)
      features[0..<stream.count / 2].copy(from: stream[stream.count / 2..<stream.count])
    }
    let share = 0.5 / Float(patches)
    var loss = 0.0
    for index in 0..<2 * count * patches {
      let sign: Float = index < count * patches ? 1 : -1
      let margin = 1 + sign * activations.logits[index]
      loss += Double(max(0, margin) * share)
      // Not a number stays one.
      activations.dLogits[index] = Element(margin <= 0 ? 0 : sign * share * scale * (margin.isNaN ? margin : 1))
    }
    try walk.backward(layers.output.weight.block) { weights, gradients in
      backwardOutput(weights, samples: 2 * count)
      addGradients(of: layers.output, dLogits(2 * count), rectified(2 * count), to: gradients)
    }
    try encoder.backward(walk, samples: 2 * count)
    return loss
  }

  /// What `learn`'s decoded images should be instead: the gradient of `-logits + weight · distance of features`, for the images alone,
  /// into `dImage`. Returns both terms, summed over samples.
  func judge(
    _ store: ParameterStore, decoded count: Int, featureWeight: Float, scale: Float, into dImage: Vector
  ) throws -> (adversarial: Double, features: Double) {
    let walk = try BlockWalk(store, layers.blocks + layers.blocks.reversed())
    try forward(walk, samples: count)
    let logits = activations.logits[0..<count * patches]
    let adversarial = -total(logits) / Double(patches)
    activations.dLogits[0..<logits.count].fill(Element(-scale / Float(patches)))
    var distance = 0.0
    let features = activations.features.enumerated().map { group, features in
      let stream = encoder.stream(group, count)
      let features = features[0..<stream.count]
      let perValue = featureWeight * scale / Float(stream.count / count * activations.features.count)
      distance += meanDistance(stream, features, scale: perValue) * Double(count) / Double(activations.features.count)
      return features
    }
    try walk.forward(layers.output.weight.block) { backwardOutput($0, samples: count) }
    try encoder.backwardToImage(walk, samples: count, adding: features, into: dImage)
    return (adversarial, distance)
  }

  private func forward(_ walk: BlockWalk, samples: Int) throws {
    try encoder.forward(walk, samples: samples)
    try walk.forward(layers.output.weight.block) { weights in
      matmul(
        rectified(samples), weights.operand(layers.output.weight), transposing: .second,
        into: rowsOfPositions(activations.logits[0..<samples * patches], 1), bias: weights[layers.output.bias])
    }
  }

  /// From the gradient of the logits to that of the encoder's output, in its place.
  private func backwardOutput(_ weights: BlockValues, samples: Int) {
    matmul(
      dLogits(samples), weights.operand(layers.output.weight),
      into: rowsOfPositions(encoder.output(samples), layers.output.shape.inputs))
  }

  private func dLogits(_ samples: Int) -> MatrixView<Element> {
    rowsOfPositions(activations.dLogits[0..<samples * patches], 1)
  }

  private func rectified(_ samples: Int) -> MatrixView<Element> {
    rowsOfPositions(encoder.rectified(samples), layers.output.shape.inputs)
  }
}
