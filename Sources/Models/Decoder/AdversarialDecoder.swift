import Errors
import Kernels
import Layers
import Memory
import Tokens

/// Fine-tunes the decoder of a trained dVAE on its codes, which stay as they are: the likelihood of the paper makes images blurred where
/// a code leaves details open; a discriminator that learns to tell decoded images from real ones, and the distance of its features
/// (Salimans et al. 2016), ask for some plausible details instead (Isola et al. 2017, Esser et al. 2021). A transformer that was
/// trained on the codes stays valid.
///
/// What is asked of an image has a norm that is a share of its likelihood's, image by image, so that numbers do not depend on how a batch
/// is divided.
package final class AdversarialDecoder {
  package let config: AdversarialDecoderConfig
  package let batch: Int
  package let precision: Precision
  package var table: ParameterTable { layers.table }
  /// Bytes of the activations and of the convolutions' scratch, the frozen dVAE's included.
  package var activationBytes: Int { passes.activationBytes + dvae.activationBytes }

  private let layers: AdversarialDecoderLayers
  private let passes: any AdversarialDecoderPasses
  private let dvae: DVAE
  private let frozen: LocalParameters

  /// - Parameter frozen: weights of the trained dVAE; with bf16 in that format, too.
  package init(_ config: AdversarialDecoderConfig, frozen: LocalParameters, batch: Int, precision: Precision) throws {
    try config.validate()
    precondition(batch > 0, "a batch of \(batch)")
    (self.config, self.batch, self.precision, self.frozen) = (config, batch, precision, frozen)
    layers = AdversarialDecoderLayers(config)
    dvae = try DVAE(config.dvae, batch: batch, mode: .inference, precision: precision)
    passes =
      switch precision {
      case .fp32: AdversarialDecoderStep<Float>(config, layers, batch: batch)
      case .bf16: AdversarialDecoderStep<BFloat16>(config, layers, batch: batch)
      }
  }

  package static func table(_ config: AdversarialDecoderConfig) -> ParameterTable { AdversarialDecoderLayers(config).table }

  /// The bytes that the activations would take, without the convolutions' scratch, which is small.
  package static func activationBytes(_ config: AdversarialDecoderConfig, batch: Int, precision: Precision) throws -> Int {
    try config.validate()
    let layers = AdversarialDecoderLayers(config)
    let own =
      switch precision {
      case .fp32: AdversarialDecoderStep<Float>.activationBytes(config, layers, batch: batch)
      case .bf16: AdversarialDecoderStep<BFloat16>.activationBytes(config, layers, batch: batch)
      }
    return try own + DVAE.activationBytes(config.dvae, batch: batch, mode: .inference, precision: precision)
  }

  /// Whether a parameter belongs to the decoder, and not to the discriminator, of which generation needs nothing.
  package static func isOfDecoder(_ name: String) -> Bool { name.hasPrefix("decoder.") }

  /// Floating-point operations of one sample's step: the frozen encoder; decoder forward and backward; the discriminator with a decoded
  /// and a real image, and once more with the decoded one, without gradients of its weights.
  package static func trainingFlops(_ config: AdversarialDecoderConfig) -> Double {
    let layers = AdversarialDecoderLayers(config)
    return DVAEArchitecture(config.dvae).encoderFlops + 3 * layers.decoder.flops + (6 + 2) * layers.discriminator.flops
  }

  /// The value with which a parameter's training begins: a decoder's, that of the trained dVAE; nil for others.
  package func initialValues(of parameter: Parameter) -> Vector? {
    guard let trained = frozenParameters[parameter.name] else { return nil }
    return frozen.weights(of: trained.block)[trained]
  }

  private lazy var frozenParameters = Dictionary(
    uniqueKeysWithValues: dvae.table.parameters.filter { Self.isOfDecoder($0.name) }.map { ($0.name, $0) })

  /// One step of decoder and discriminator. Adds `scale`, normally 1 / global batch, times the gradient for `count` images
  /// `[count, imageSize, imageSize, 3]`.
  package func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore, _ weights: AdversarialWeights, scale: Float
  ) throws -> AdversarialLoss {
    try encode(pixels, count)
    return try passes.forwardBackward(pixels, count, store, weights, scale: scale)
  }

  /// The likelihood of images by their codes, and the error of the decoded bytes; nothing of the discriminator.
  package func evaluate(_ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore) throws -> AdversarialLoss {
    try encode(pixels, count)
    return try passes.evaluate(pixels, count, store)
  }

  /// Images encoded by the dVAE and decoded by this decoder.
  package func reconstruct(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore, into result: UnsafeMutablePointer<UInt8>
  ) throws {
    try encode(pixels, count)
    try passes.decode(count, store, into: result)
  }

  /// The codebook's output for the codes of images, where the decoder's pass begins.
  private func encode(_ pixels: UnsafePointer<UInt8>, _ count: Int) throws {
    precondition((1...batch).contains(count), "\(count) samples in a model made for 1 to \(batch)")
    var codes = [Token](repeating: 0, count: count * config.dvae.grid * config.dvae.grid)
    try dvae.encode(pixels, count: count, frozen, into: &codes)
    try dvae.lookUp(codes, count: count, frozen, into: passes.entry(count))
  }
}
