import Errors
import Kernels
import Layers
import Memory
import Tokens

/// Where the Gumbel noise of a training step comes from.
package enum GumbelNoise {
  /// Drawn for training step `step`; `samples` are the samples' indices in the data set. The numbers depend on nothing
  /// else, so not on how samples are spread over batches and ranks.
  case drawn(seed: UInt64, step: Int, samples: [Int])
  /// Given, `[samples · grid², vocabulary]`.
  case given(Matrix)
}

/// The discrete variational autoencoder of the paper's first stage: encodes images as grids of codes and decodes them.
///
/// Images are bytes, `[samples, imageSize, imageSize, 3]`; codes are `[samples, grid, grid]` in reading order. All
/// memory is laid out when the model is made; a call takes any number of samples up to `batch`.
package final class DVAE {
  package let config: DVAEConfig
  package let batch: Int
  package let mode: ModelMode
  package let precision: Precision
  package let architecture: DVAEArchitecture
  package var table: ParameterTable { architecture.table }
  /// Bytes of the activations and of the convolutions' scratch.
  package var activationBytes: Int { passes.activationBytes }

  private let passes: any DVAEPasses

  /// With bf16 the parameter stores must keep weights in that format. Throws `DalleError` if the config is impossible.
  package init(_ config: DVAEConfig, batch: Int, mode: ModelMode = .training, precision: Precision = .fp32) throws {
    try config.validate()
    precondition(batch > 0, "a batch of \(batch)")
    (self.config, self.batch, self.mode, self.precision) = (config, batch, mode, precision)
    let architecture = DVAEArchitecture(config)
    self.architecture = architecture
    passes =
      switch precision {
      case .fp32: DVAEStep<Float>(config, architecture, batch: batch, mode: mode)
      case .bf16: DVAEStep<BFloat16>(config, architecture, batch: batch, mode: mode)
      }
  }

  /// The bytes that the activations of a model would take (without the convolutions' scratch, which is small).
  package static func activationBytes(
    _ config: DVAEConfig, batch: Int, mode: ModelMode = .training, precision: Precision = .fp32
  ) throws -> Int {
    try config.validate()
    let architecture = DVAEArchitecture(config)
    return switch precision {
    case .fp32: DVAEStep<Float>.activationBytes(config, architecture, batch: batch, mode: mode)
    case .bf16: DVAEStep<BFloat16>.activationBytes(config, architecture, batch: batch, mode: mode)
    }
  }

  /// One pass forward and backward. Temperature, KL weight and noise are for the Gumbel-softmax relaxation. Adds `scale` times the gradient of the sum over `count` samples of
  /// `(reconstruction + klWeight · KL) / (imageSize² · 3)` (paper A.2, A.3); `scale` is normally 1 / global batch.
  package func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore, temperature: Float, klWeight: Float,
    noise: GumbelNoise, scale: Float
  ) throws -> DVAELoss {
    precondition(mode == .training, "a model made for inference cannot train")
    check(count)
    return try passes.forwardBackward(
      pixels, count, store, temperature: temperature, klWeight: klWeight, noise, scale: scale)
  }

  /// The loss with the most likely codes in place of their relaxation, and the error of the reconstructed bytes. The
  /// codes are left in `codes`, `[count, grid, grid]`.
  package func evaluate(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>
  ) throws -> DVAELoss {
    check(count)
    return try passes.evaluate(pixels, count, store, into: codes)
  }

  /// The code of every grid position, the most likely one where there is a choice: the image tokens of the second stage (paper 2.2).
  package func encode(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>
  ) throws {
    check(count)
    try passes.encode(pixels, count, store, into: codes)
  }

  /// Reconstructs images from codes: the mean of the decoder's distribution in logit space, ignoring its width (paper A.3).
  package func decode(
    _ codes: UnsafePointer<Token>, count: Int, _ store: ParameterStore, into pixels: UnsafeMutablePointer<UInt8>
  ) throws {
    check(count)
    let positions = config.grid * config.grid
    for index in 0..<count * positions where Int(codes[index]) >= config.vocabulary {
      throw DalleError(
        .data,
        "image token \(codes[index]) at position \(index % positions) of sample \(index / positions): this dVAE has codes 0 to "
          + "\(config.vocabulary - 1); decode with the dVAE that encoded it")
    }
    try passes.decode(codes, count, store, into: pixels)
  }

  /// The decoder's entry for given codes of `count` samples, `[count · grid², codebookDim]`.
  func lookUp(_ codes: UnsafePointer<Token>, count: Int, _ store: ParameterStore, into entry: Vector) throws {
    check(count)
    try passes.lookUp(codes, store, into: entry)
  }

  private func check(_ count: Int) {
    precondition((1...batch).contains(count), "\(count) samples in a model made for 1 to \(batch)")
  }
}
