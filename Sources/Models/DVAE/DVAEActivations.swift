import Kernels
import Layers
import Memory

/// What a model is made for.
package enum ModelMode: Sendable {
  case training
  /// Forward passes only: blocks share their activations.
  case inference
}

/// A group of residual blocks: its input, and the residual stream of its blocks.
struct GroupActivations<Element: Scalar> {
  /// The same as `stream` where the first block keeps the width.
  let entry: Vector
  let stream: Vector
  let saved: [ResidualBlock<Element>.Saved]
}

/// The activations of one pass. N = samples, P = N · imageSize², G = N · grid². Operands of GEMMs and
/// convolutions are in `Element`; residual streams, logits and sums in fp32.
struct DVAEActivations<Element: Scalar> {
  let encoder: EncoderActivations<Element>
  let quantizer: QuantizerActivations<Element>
  let decoder: DecoderActivations<Element>
  let targets: Vector  // [3, P], logit(phi(pixels))

  init(_ config: DVAEConfig, _ layers: DVAEArchitecture, samples: Int, mode: ModelMode, from space: inout Space) {
    let training = mode == .training
    let pixels = samples * config.imageSize * config.imageSize
    let codes = samples * config.grid * config.grid
    var memory = BlockMemory<Element>(
      layers.encoder.groups + layers.decoder.groups, samples: samples, training: training, recompute: config.recompute, from: &space
    )

    encoder = EncoderActivations(layers.encoder, samples: samples, training: training, memory: &memory, from: &space)
    quantizer =
      switch config.quantizer {
      case .gumbel: .gumbel(CodebookActivations(config, positions: codes, training: training, from: &space))
      case .fsq: .fsq(FiniteScalarActivations(config, positions: codes, training: training, from: &space))
      }
    decoder = DecoderActivations(layers.decoder, samples: samples, training: training, memory: &memory, from: &space)
    targets = space.vector(3 * pixels)
  }
}

/// Those of an encoder.
struct EncoderActivations<Element: Scalar> {
  let image: VectorView<Element>  // [P, 3], phi(pixels)
  let dEntry: VectorView<Element>  // [P, baseChannels], gradient of the first convolution's output as an operand; empty in fp32
  let groups: [GroupActivations<Element>]
  let rectified: VectorView<Element>  // [G, innerWidth]
  let scratch: [[ResidualBlock<Element>.Scratch]]

  init(
    _ layers: EncoderLayers, samples: Int, training: Bool, memory: inout BlockMemory<Element>, from space: inout Space
  ) {
    image = space.vector(samples * layers.input.shape.inputCount, of: Element.self)
    let isOperand = training && Element.self != Float.self
    dEntry = space.vector(isOperand ? samples * layers.input.shape.outputCount : 0, of: Element.self)
    groups = layers.groups.map { blocks in
      let entry = memory.stream(blocks[0].inputCount, from: &space)
      return memory.group(blocks, entry: entry, from: &space)
    }
    rectified = space.vector(groups[groups.count - 1].stream.count, of: Element.self)
    scratch = memory.scratch(of: layers.groups)
  }
}

/// Those of a decoder.
struct DecoderActivations<Element: Scalar> {
  let groups: [GroupActivations<Element>]
  let rectified: VectorView<Element>  // [P, baseChannels]
  let output: Vector  // [6, P], by planes so that the loss is one pass over each
  let dOutput: VectorView<Element>  // [6, P]
  let scratch: [[ResidualBlock<Element>.Scratch]]

  init(
    _ layers: DecoderLayers, samples: Int, training: Bool, memory: inout BlockMemory<Element>, from space: inout Space
  ) {
    var entry = memory.stream(layers.groups[0][0].inputCount, from: &space)
    groups = layers.groups.map { blocks in
      let group = memory.group(blocks, entry: entry, from: &space)
      entry = group.stream
      return group
    }
    rectified = space.vector(entry.count, of: Element.self)
    let count = samples * layers.output.shape.outputCount
    output = space.vector(count)
    dOutput = space.vector(training ? count : 0, of: Element.self)
    scratch = memory.scratch(of: layers.groups)
  }
}

enum QuantizerActivations<Element: Scalar> {
  case gumbel(CodebookActivations<Element>)
  case fsq(FiniteScalarActivations<Element>)
}

/// Gives each block its activations: its own in training, shared where nothing has to be kept.
struct BlockMemory<Element: Scalar> {
  private let samples: Int
  private let training: Bool
  /// Two streams that forward passes use in turn; empty in training, where every stream is kept.
  private let streams: [Vector]
  private var turn = 0
  /// Indexed by gradient block. Blocks may share memory.
  private var rectified: [BlockID: VectorView<Element>] = [:]
  private var hidden: [BlockID: ResidualBlock<Element>.Hidden] = [:]
  private var scratch: [BlockID: ResidualBlock<Element>.Scratch] = [:]

  init(_ groups: [[ResidualParameters]], samples: Int, training: Bool, recompute: Bool, from space: inout Space) {
    self.samples = samples
    self.training = training
    let blocks = Array(groups.joined())
    let widest = blocks.reduce(0) { max($0, $1.inputCount, $1.outputCount) }
    streams = training ? [] : [space.vector(samples * widest), space.vector(samples * widest)]

    if training { for block in blocks { rectified[block.block] = block.takeRectified(samples, from: &space) } }
    if training && !recompute { for block in blocks { hidden[block.block] = block.takeHidden(samples, from: &space) } }
    typealias Shared = (VectorView<Element>?, ResidualBlock<Element>.Hidden?, ResidualBlock<Element>.Scratch)
    let shared: [Shared] = space.overlaid(
      blocks.map { block in
        { space in
          (
            training ? nil : block.takeRectified(samples, from: &space),
            training && !recompute ? nil : block.takeHidden(samples, from: &space),
            block.takeScratch(samples, training: training, from: &space)
          )
        }
      })
    for (block, views) in zip(blocks, shared) {
      rectified[block.block] = views.0 ?? rectified[block.block]
      hidden[block.block] = views.1 ?? hidden[block.block]
      scratch[block.block] = views.2
    }
  }

  mutating func stream(_ countPerSample: Int, from space: inout Space) -> Vector {
    if training { return space.vector(samples * countPerSample) }
    turn = 1 - turn
    return streams[turn][0..<samples * countPerSample]
  }

  mutating func group(_ blocks: [ResidualParameters], entry: Vector, from space: inout Space) -> GroupActivations<Element> {
    let stream = blocks[0].identity == nil ? entry : stream(blocks[0].outputCount, from: &space)
    let saved = blocks.map { ResidualBlock<Element>.Saved(rectified[$0.block]!, hidden[$0.block]!) }
    return GroupActivations(entry: entry, stream: stream, saved: saved)
  }

  func scratch(of groups: [[ResidualParameters]]) -> [[ResidualBlock<Element>.Scratch]] {
    groups.map { $0.map { scratch[$0.block]! } }
  }
}
