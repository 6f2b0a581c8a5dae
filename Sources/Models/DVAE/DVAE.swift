import Kernels
import Layers
import Memory

/// Where the Gumbel noise of a training step comes from.
public enum GumbelNoise {
  /// Drawn for training step `step`; `samples` are the samples' indices in the data set. The numbers depend on nothing
  /// else, so not on how samples are spread over batches and ranks.
  case drawn(seed: UInt64, step: Int, samples: [Int])
  /// Given, `[samples · grid², vocabulary]`.
  case given(Matrix)
}

/// A code that the model does not have.
public struct DVAECodeError: Error, CustomStringConvertible {
  public let code: Int
  public let vocabulary: Int
  public let sample: Int
  public let position: Int
  public var description: String {
    "image token \(code) at position \(position) of sample \(sample): this dVAE has codes 0 to \(vocabulary - 1)"
  }
}

/// The discrete variational autoencoder of the paper's first stage: pictures to a grid of codes and back.
///
/// Pictures are bytes, `[samples, imageSize, imageSize, 3]`; codes are `[samples, grid, grid]` in reading order. All
/// memory is laid out when the model is made; a call takes any number of samples up to `batch`.
public final class DVAE {
  public let config: DVAEConfig
  public let batch: Int
  public let mode: ModelMode
  public let architecture: DVAEArchitecture
  public var table: ParameterTable { architecture.table }
  /// Bytes of the activations and of the convolutions' scratch.
  public var activationBytes: Int { arena.byteCount + scratch.byteCount }

  private let arena: Arena
  private let scratch = ConvolutionScratch()
  private let activations: DVAEActivations
  private let encoder: DVAEEncoder
  private let decoder: DVAEDecoder

  /// Throws `DVAEConfigError` if the config is impossible.
  public init(_ config: DVAEConfig, batch: Int, mode: ModelMode = .training) throws {
    try config.validate()
    precondition(batch > 0, "a batch of \(batch)")
    (self.config, self.batch, self.mode) = (config, batch, mode)
    let architecture = DVAEArchitecture(config)
    self.architecture = architecture
    (arena, activations) = Arena.layOut {
      DVAEActivations(config, architecture, samples: batch, mode: mode, from: &$0)
    }
    encoder = DVAEEncoder(config, architecture, activations, samples: batch, mode: mode, scratch: scratch)
    decoder = DVAEDecoder(config, architecture, activations, samples: batch, mode: mode, scratch: scratch)
  }

  /// The bytes that the activations of a model would take (without the convolutions' scratch, which is small).
  public static func activationBytes(_ config: DVAEConfig, batch: Int, mode: ModelMode = .training) throws -> Int {
    try config.validate()
    let architecture = DVAEArchitecture(config)
    return Arena.measure { DVAEActivations(config, architecture, samples: batch, mode: mode, from: &$0) }
  }

  /// One pass forward and backward. Adds `scale` times the gradient of the sum over `count` samples of
  /// `(reconstruction + klWeight · KL) / (imageSize² · 3)` (paper A.2, A.3); `scale` is normally 1 / global batch.
  public func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ source: ParameterSource, temperature: Float, klWeight: Float,
    noise: GumbelNoise, scale: Float
  ) throws -> DVAELoss {
    precondition(mode == .training, "a model made for inference cannot train")
    let perValue = scale / Float(config.pixelValues)
    var loss = DVAELoss()
    loss.samples = count
    let start = ContinuousClock.now

    prepareImage(pixels, count)
    try encoder.forward(source, samples: count)
    loss.kl = relaxAll(count, temperature: temperature, klWeight: klWeight * perValue, noise)
    try decoder.forward(source, samples: count)
    let targets = planes(activations.targets, count)
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(
      planes(activations.output, count, 6), targets, scale: perValue, gradient: planes(activations.dOutput, count, 6))

    let middle = ContinuousClock.now
    loss.forwardSeconds = (middle - start) / .seconds(1)
    try decoder.backward(source, samples: count)
    let rows = gridRows(count)
    let (logits, relaxed, dRelaxed) = (logits, rowsOf(activations.relaxed), rowsOf(activations.dRelaxed))
    for row in 0..<rows {
      relaxBackward(dRelaxed.row(row), relaxed.row(row), temperature: temperature, addingTo: logits.row(row))
    }
    try encoder.backward(source, samples: count)
    loss.backwardSeconds = (.now - middle) / .seconds(1)
    return loss
  }

  /// The loss with the most likely codes in place of their relaxation, and the error of the reconstructed bytes. The
  /// codes are left in `codes`, `[count, grid, grid]`.
  public func evaluate(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ source: ParameterSource, into codes: UnsafeMutablePointer<UInt16>
  ) throws -> DVAELoss {
    var loss = DVAELoss()
    loss.samples = count
    let start = ContinuousClock.now
    try encode(pixels, count: count, source, into: codes)
    for row in 0..<gridRows(count) { loss.kl += klFromUniform(logits.row(row)) }
    try decoder.forward(codes, source, samples: count)
    let (output, targets) = (planes(activations.output, count, 6), planes(activations.targets, count))
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(output, targets, scale: 0, gradient: nil)
    loss.squaredError = reconstructionError(output, pixels)
    loss.forwardSeconds = (.now - start) / .seconds(1)
    return loss
  }

  /// The most likely code of every grid position: the image tokens of the second stage (paper 2.2).
  public func encode(
    _ pixels: UnsafePointer<UInt8>, count: Int, _ source: ParameterSource, into codes: UnsafeMutablePointer<UInt16>
  ) throws {
    prepareImage(pixels, count)
    try encoder.forward(source, samples: count)
    for row in 0..<gridRows(count) { codes[row] = UInt16(indexOfLargest(logits.row(row))) }
  }

  /// The pictures of codes: the mean of the decoder's distribution in logit space, ignoring its width (paper A.3).
  public func decode(
    _ codes: UnsafePointer<UInt16>, count: Int, _ source: ParameterSource, into pixels: UnsafeMutablePointer<UInt8>
  ) throws {
    check(count)
    let positions = config.grid * config.grid
    for index in 0..<count * positions where Int(codes[index]) >= config.vocabulary {
      throw DVAECodeError(
        code: Int(codes[index]), vocabulary: config.vocabulary, sample: index / positions, position: index % positions)
    }
    try decoder.forward(codes, source, samples: count)
    PixelMap.reconstruct(planes(activations.output, count, 6).rows(0..<3), into: pixels)
  }

  private func prepareImage(_ pixels: UnsafePointer<UInt8>, _ count: Int) {
    check(count)
    PixelMap.apply(pixels, into: part(activations.image, config.pixelValues, count))
  }

  /// Relaxes all positions, leaves the KL term's gradient in the logits, and returns the sum of KL in nats.
  private func relaxAll(_ count: Int, temperature: Float, klWeight: Float, _ noise: GumbelNoise) -> Double {
    let (logits, relaxed, row) = (logits, rowsOf(activations.relaxed), activations.noise)
    let positions = config.grid * config.grid
    var kl = 0.0
    for sample in 0..<count {
      let address: NoiseAddress? =
        switch noise {
        case .drawn(let seed, let step, let samples):
          NoiseAddress(seed: seed, step: UInt64(step), sample: UInt64(samples[sample]))
        case .given: nil
        }
      for position in 0..<positions {
        let index = sample * positions + position
        if let address {
          fillGumbel(row, address, position: position)
        } else if case .given(let matrix) = noise {
          row[0..<config.vocabulary].copy(from: matrix.row(index))
        }
        kl += relax(
          logits.row(index), noise: row, temperature: temperature, klWeight: klWeight, into: relaxed.row(index))
      }
    }
    return kl
  }

  /// The squared error of the bytes that the location maps stand for.
  private func reconstructionError(_ output: Matrix, _ pixels: UnsafePointer<UInt8>) -> Double {
    let picture = [UInt8](unsafeUninitializedCapacity: 3 * output.columns) { buffer, count in
      PixelMap.reconstruct(output.rows(0..<3), into: buffer.baseAddress!)
      count = 3 * output.columns
    }
    var sum = 0
    for index in picture.indices {
      let difference = Int(picture[index]) - Int(pixels[index])
      sum += difference * difference
    }
    return Double(sum)
  }

  private func check(_ count: Int) {
    precondition((1...batch).contains(count), "\(count) samples in a model made for 1 to \(batch)")
  }

  private func gridRows(_ count: Int) -> Int { count * config.grid * config.grid }

  private var logits: Matrix { rowsOf(activations.logits) }

  /// Values at the grid as `[positions, vocabulary]`.
  private func rowsOf(_ batch: Vector) -> Matrix {
    batch.matrix(rows: batch.count / config.vocabulary, columns: config.vocabulary)
  }

  /// Maps at full size as `[maps, positions]`.
  private func planes(_ batch: Vector, _ count: Int, _ maps: Int = 3) -> Matrix {
    let positions = count * config.imageSize * config.imageSize
    return batch[0..<maps * positions].matrix(rows: maps, columns: positions)
  }
}
