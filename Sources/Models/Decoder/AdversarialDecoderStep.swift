import Kernels
import Layers
import Memory
import Tokens

/// The passes of an adversarial decoder in some precision.
protocol AdversarialDecoderPasses {
  var activationBytes: Int { get }
  /// Where the codebook's output for so many samples is written before a pass.
  func entry(_ samples: Int) -> Vector
  func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, _ weights: AdversarialWeights, scale: Float
  ) throws -> AdversarialLoss
  func evaluate(_ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore) throws -> AdversarialLoss
  func decode(_ count: Int, _ store: ParameterStore, into pixels: UnsafeMutablePointer<UInt8>) throws
}

/// The layers that are trained: the dVAE's decoder after its codebook, and a discriminator. The discriminator comes last, so that its
/// gradients are complete first.
struct AdversarialDecoderLayers: Sendable {
  let table: ParameterTable
  let decoder: DecoderLayers
  let discriminator: EncoderLayers

  init(_ config: AdversarialDecoderConfig) {
    var table = ParameterTable()
    decoder = DecoderLayers("decoder", config.dvae, in: &table)
    discriminator = EncoderLayers("discriminator", config.discriminator, outputs: 1, in: &table)
    self.table = table
  }
}

/// The activations of one step. N = samples, P = N · imageSize².
private struct AdversarialDecoderActivations<Element: Scalar> {
  let decoder: DecoderActivations<Element>
  let targets: Vector  // [3, P], logit(phi(pixels))
  let discriminator: PatchDiscriminator<Element>.Activations
  let dImage: Vector  // [P, 3], gradient of the decoded images
  let dMu: Vector  // [3, P], the same of their location maps

  init(_ config: AdversarialDecoderConfig, _ layers: AdversarialDecoderLayers, samples: Int, from space: inout Space) {
    var memory = BlockMemory<Element>(
      layers.decoder.groups, samples: samples, training: true, recompute: config.dvae.recompute, from: &space)
    decoder = DecoderActivations(layers.decoder, samples: samples, training: true, memory: &memory, from: &space)
    let values = samples * config.dvae.pixelValues
    targets = space.vector(values)
    discriminator = PatchDiscriminator<Element>.Activations(layers.discriminator, samples: samples, from: &space)
    dImage = space.vector(values)
    dMu = space.vector(values)
  }
}

/// The passes over `count` samples with operands in `Element`; `AdversarialDecoder` documents what they compute.
struct AdversarialDecoderStep<Element: Scalar>: AdversarialDecoderPasses {
  private let config: DVAEConfig
  private let layers: AdversarialDecoderLayers
  private let arena: Arena
  private let scratch = ConvolutionScratch()
  private let activations: AdversarialDecoderActivations<Element>
  private let decoder: DVAEDecoder<Element>
  private let discriminator: PatchDiscriminator<Element>

  init(_ config: AdversarialDecoderConfig, _ layers: AdversarialDecoderLayers, batch: Int) {
    (self.config, self.layers) = (config.dvae, layers)
    (arena, activations) = Arena.layOut { AdversarialDecoderActivations(config, layers, samples: batch, from: &$0) }
    decoder = DVAEDecoder(
      config.dvae, layers.decoder, activations.decoder, samples: batch, mode: .training, scratch: scratch)
    discriminator = PatchDiscriminator(
      config.discriminator, layers.discriminator, activations.discriminator, samples: batch, scratch: scratch)
  }

  var activationBytes: Int { arena.byteCount + scratch.byteCount }

  static func activationBytes(_ config: AdversarialDecoderConfig, _ layers: AdversarialDecoderLayers, batch: Int) -> Int {
    Arena.measure { AdversarialDecoderActivations<Element>(config, layers, samples: batch, from: &$0) }
  }

  func entry(_ samples: Int) -> Vector { decoder.entry(samples) }

  func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, _ weights: AdversarialWeights, scale: Float
  ) throws -> AdversarialLoss {
    var loss = AdversarialLoss()
    loss.samples = count
    try decoder.forward(BlockWalk(store, layers.decoder.blocks), samples: count)
    let (output, dOutput) = (planes(activations.decoder.output, count, 6), planes(activations.decoder.dOutput, count, 6))
    let targets = planes(activations.targets, count, 3)
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(output, targets, scale: scale / Float(config.pixelValues), gradient: dOutput)

    let images = discriminator.images(decoded: count)
    imageOfMaps(output.rows(0..<3), into: images.decoded)
    PixelMap.apply(pixels, into: images.real)
    loss.discriminator = try discriminator.learn(store, decoded: count, scale: scale)
    if weights.adversarial > 0 {
      let (dImage, dMu) = (part(activations.dImage, config.pixelValues, count), planes(activations.dMu, count, 3))
      (loss.adversarial, loss.features) = try discriminator.judge(
        store, decoded: count, featureWeight: Float(weights.features), scale: scale, into: dImage)
      imageOfMapsBackward(dImage, output.rows(0..<3), into: dMu)
      let positions = config.imageSize * config.imageSize
      for sample in 0..<count {
        let columns = sample * positions..<(sample + 1) * positions
        addInProportion(
          dMu.columns(columns), to: dOutput.rows(0..<3).columns(columns), share: Float(weights.adversarial))
      }
    }
    try decoder.backward(BlockWalk(store, layers.decoder.blocks.reversed()), samples: count)
    return loss
  }

  func evaluate(_ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore) throws -> AdversarialLoss {
    var loss = AdversarialLoss()
    loss.samples = count
    try decoder.forward(BlockWalk(store, layers.decoder.blocks), samples: count)
    let (output, targets) = (planes(activations.decoder.output, count, 6), planes(activations.targets, count, 3))
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(output, targets, scale: 0, gradient: Matrix?.none)
    loss.squaredError = squaredError(output, pixels)
    return loss
  }

  func decode(_ count: Int, _ store: ParameterStore, into pixels: UnsafeMutablePointer<UInt8>) throws {
    try decoder.forward(BlockWalk(store, layers.decoder.blocks), samples: count)
    PixelMap.reconstruct(planes(activations.decoder.output, count, 6).rows(0..<3), into: pixels)
  }

  private func planes<Kind>(_ batch: VectorView<Kind>, _ count: Int, _ maps: Int) -> MatrixView<Kind> {
    let positions = count * config.imageSize * config.imageSize
    return batch[0..<maps * positions].matrix(rows: maps, columns: positions)
  }
}
