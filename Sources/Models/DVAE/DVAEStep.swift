import Kernels
import Layers
import Memory
import Tokens

/// A dVAE's passes in some precision.
protocol DVAEPasses {
  var activationBytes: Int { get }
  func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, temperature: Float, klWeight: Float,
    _ noise: GumbelNoise, scale: Float
  ) throws -> DVAELoss
  func evaluate(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>
  ) throws -> DVAELoss
  func encode(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>) throws
  func decode(
    _ codes: UnsafePointer<Token>, _ count: Int, _ store: ParameterStore, into pixels: UnsafeMutablePointer<UInt8>) throws
  func lookUp(_ codes: UnsafePointer<Token>, _ store: ParameterStore, into entry: Vector) throws
}

/// The passes over `count` samples with operands in `Element`; `DVAE` documents what they compute.
struct DVAEStep<Element: Scalar>: DVAEPasses {
  private let config: DVAEConfig
  private let arena: Arena
  /// All blocks in the order of a forward pass; the first `encoderCount` end with the quantizer's input.
  private let blocks: [BlockID]
  private let encoderCount: Int
  private let scratch = ConvolutionScratch()
  private let activations: DVAEActivations<Element>
  private let encoder: DVAEEncoder<Element>
  private let quantizer: any Quantizer<Element>
  private let decoder: DVAEDecoder<Element>

  init(_ config: DVAEConfig, _ architecture: DVAEArchitecture, batch: Int, mode: ModelMode) {
    self.config = config
    blocks = architecture.table.blockIDs
    encoderCount = architecture.decoderInput.weight.block.index
    (arena, activations) = Arena.layOut {
      DVAEActivations(config, architecture, samples: batch, mode: mode, from: &$0)
    }
    encoder = DVAEEncoder(config, architecture.encoder, activations.encoder, samples: batch, mode: mode, scratch: scratch)
    quantizer =
      switch activations.quantizer {
      case .gumbel(let activations): DVAECodebook(architecture, activations)
      case .fsq(let activations): FiniteScalarQuantizer(config, architecture, activations)
      }
    decoder = DVAEDecoder(config, architecture.decoder, activations.decoder, samples: batch, mode: mode, scratch: scratch)
  }

  var activationBytes: Int { arena.byteCount + scratch.byteCount }

  static func activationBytes(_ config: DVAEConfig, _ architecture: DVAEArchitecture, batch: Int, mode: ModelMode) -> Int {
    Arena.measure { DVAEActivations<Element>(config, architecture, samples: batch, mode: mode, from: &$0) }
  }

  func forwardBackward(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, temperature: Float, klWeight: Float,
    _ noise: GumbelNoise, scale: Float
  ) throws -> DVAELoss {
    let perValue = scale / Float(config.pixelValues)
    var loss = DVAELoss()
    loss.samples = count

    // The first layer's gradient needs no weights.
    let walk = try BlockWalk(store, blocks + blocks.dropFirst().reversed())
    try encodeRectified(pixels, count, walk)
    let relaxation = Relaxation(temperature: temperature, klWeight: klWeight * perValue, noise: rows(of: noise))
    loss.kl = try quantizer.forward(encoder.rectified(count), walk, relaxation, into: decoder.entry(count))
    try decoder.forward(walk, samples: count)
    let targets = planes(activations.targets, count, 3)
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(
      planes(activations.decoder.output, count, 6), targets, scale: perValue,
      gradient: planes(activations.decoder.dOutput, count, 6))

    try decoder.backward(walk, samples: count)
    try quantizer.backward(decoder.entry(count), encoder.rectified(count), walk, relaxation, into: encoder.output(count))
    try encoder.backward(walk, samples: count)
    return loss
  }

  func evaluate(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>
  ) throws -> DVAELoss {
    var loss = DVAELoss()
    loss.samples = count
    let walk = try BlockWalk(store, blocks)
    try encodeRectified(pixels, count, walk)
    loss.kl = try quantizer.encode(encoder.rectified(count), walk, measuringKL: true, into: codes)
    try quantizer.lookUp(codes, walk, into: decoder.entry(count))
    try decoder.forward(walk, samples: count)
    let (output, targets) = (planes(activations.decoder.output, count, 6), planes(activations.targets, count, 3))
    loss.reconstruction = PixelMap.logits(pixels, into: targets)
    loss.reconstruction += logitLaplace(output, targets, scale: 0, gradient: Matrix?.none)
    loss.squaredError = squaredError(output, pixels)
    return loss
  }

  func encode(
    _ pixels: UnsafePointer<UInt8>, _ count: Int, _ store: ParameterStore, into codes: UnsafeMutablePointer<Token>
  ) throws {
    let walk = try BlockWalk(store, Array(blocks[..<encoderCount]))
    try encodeRectified(pixels, count, walk)
    _ = try quantizer.encode(encoder.rectified(count), walk, measuringKL: false, into: codes)
  }

  func decode(
    _ codes: UnsafePointer<Token>, _ count: Int, _ store: ParameterStore, into pixels: UnsafeMutablePointer<UInt8>
  ) throws {
    let walk = try BlockWalk(store, Array(blocks[encoderCount...]))
    try quantizer.lookUp(codes, walk, into: decoder.entry(count))
    try decoder.forward(walk, samples: count)
    PixelMap.reconstruct(planes(activations.decoder.output, count, 6).rows(0..<3), into: pixels)
  }

  func lookUp(_ codes: UnsafePointer<Token>, _ store: ParameterStore, into entry: Vector) throws {
    try quantizer.lookUp(codes, BlockWalk(store, [blocks[encoderCount]]), into: entry)
  }

  private func encodeRectified(_ pixels: UnsafePointer<UInt8>, _ count: Int, _ walk: BlockWalk) throws {
    PixelMap.apply(pixels, into: part(activations.encoder.image, config.pixelValues, count))
    try encoder.forward(walk, samples: count)
  }

  /// Writes the noise of a position of the batch.
  private func rows(of noise: GumbelNoise) -> (_ position: Int, _ row: Vector) -> Void {
    let positions = config.grid * config.grid
    switch noise {
    case .drawn(let seed, let step, let samples):
      let addresses = samples.map { NoiseAddress(seed: seed, step: UInt64(step), sample: UInt64($0)) }
      return { fillGumbel($1, addresses[$0 / positions], position: $0 % positions) }
    case .given(let matrix): return { $1[0..<matrix.columns].copy(from: matrix.row($0)) }
    }
  }

  /// Maps at full size as `[maps, positions]`.
  private func planes<Kind>(_ batch: VectorView<Kind>, _ count: Int, _ maps: Int) -> MatrixView<Kind> {
    let positions = count * config.imageSize * config.imageSize
    return batch[0..<maps * positions].matrix(rows: maps, columns: positions)
  }
}

/// The squared error of the bytes that the location maps, the first three of `output`, reconstruct.
func squaredError(_ output: Matrix, _ pixels: UnsafePointer<UInt8>) -> Double {
  let image = [UInt8](unsafeUninitializedCapacity: 3 * output.columns) { buffer, count in
    PixelMap.reconstruct(output.rows(0..<3), into: buffer.baseAddress!)
    count = 3 * output.columns
  }
  var sum = 0
  for index in image.indices {
    let difference = Int(image[index]) - Int(pixels[index])
    sum += difference * difference
  }
  return Double(sum)
}
