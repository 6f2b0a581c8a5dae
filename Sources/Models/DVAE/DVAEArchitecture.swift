import Kernels
import Layers

/// The layers of a dVAE and their parameters, named as in the released code. One gradient block per residual block, and
/// one for each input and output convolution.
package struct DVAEArchitecture: Sendable {
  package let table: ParameterTable
  let encoder: EncoderLayers
  /// The codebook: a 1x1 convolution of one-hot codes, or of their relaxation. With finite scalar quantization, of the rounded values.
  let decoderInput: ConvolutionParameters
  let decoder: DecoderLayers

  /// The config must be valid.
  package init(_ config: DVAEConfig) {
    var table = ParameterTable()
    encoder = EncoderLayers("encoder", config, outputs: config.codeChannels, in: &table)
    let shape = ConvolutionShape(
      height: config.grid, width: config.grid, inputs: config.codeChannels, outputs: config.codebookDim, kernel: 1)
    let name = "decoder.blocks.input"
    decoderInput = ConvolutionParameters(name, shape, to: table.addBlock(name), in: &table)
    decoder = DecoderLayers("decoder", config, in: &table)
    self.table = table
  }

  /// Those of the decoder after its codebook, which can be trained on while codes keep their meaning.
  package var tunableParameters: [Parameter] {
    let blocks = Set(decoder.blocks)
    return table.parameters.filter { blocks.contains($0.block) }
  }

  /// Floating-point operations of one sample's forward pass through the encoder.
  package var encoderFlops: Double { encoder.flops }

  /// Floating-point operations of one sample's forward pass through the decoder, from the relaxation.
  package var decoderFlops: Double { decoderInput.shape.flops + decoder.flops }

  /// Those of a sample's forward and backward pass, which takes two operations for each one.
  package var trainingFlops: Double { 3 * (encoderFlops + decoderFlops) }

  /// What the backward pass computes once more where activations of residual blocks are not kept: all their convolutions but the last.
  package var recomputedFlops: Double {
    (encoder.groups + decoder.groups).joined().reduce(0) { sum, block in
      block.convolutions.dropLast().reduce(sum) { $0 + $1.shape.flops }
    }
  }
}

/// From images to maps on the grid: a 7x7 convolution, groups of residual blocks, and a 1x1 convolution.
struct EncoderLayers: Sendable {
  let input: ConvolutionParameters
  let groups: [[ResidualParameters]]
  let output: ConvolutionParameters

  /// - Parameter outputs: maps that the last convolution makes.
  init(_ name: String, _ config: DVAEConfig, outputs: Int, in table: inout ParameterTable) {
    func convolution(_ part: String, _ inputs: Int, _ outputs: Int, size: Int, kernel: Int) -> ConvolutionParameters {
      let shape = ConvolutionShape(height: size, width: size, inputs: inputs, outputs: outputs, kernel: kernel)
      let name = "\(name).blocks.\(part)"
      return ConvolutionParameters(name, shape, to: table.addBlock(name), in: &table)
    }

    input = convolution("input", 3, config.baseChannels, size: config.imageSize, kernel: 7)
    var width = config.baseChannels
    groups = (0..<config.groups).map { group in
      (0..<config.blocksPerGroup).map { block in
        defer { width = config.baseChannels << group }
        return ResidualParameters(
          "\(name).blocks.group_\(group + 1).block_\(block + 1)", .encoder, inputs: width,
          outputs: config.baseChannels << group, size: config.imageSize >> group, in: &table)
      }
    }
    output = convolution("output.conv", width, outputs, size: config.grid, kernel: 1)
  }

  var blocks: [BlockID] { [input.weight.block] + groups.joined().map(\.block) + [output.weight.block] }

  /// Floating-point operations of one sample's forward pass.
  var flops: Double { input.shape.flops + output.shape.flops + groups.joined().reduce(0) { $0 + $1.flops } }
}

/// From the codebook's maps to the six maps of a logit-Laplace distribution: groups of residual blocks and a 1x1 convolution.
struct DecoderLayers: Sendable {
  let groups: [[ResidualParameters]]
  let output: ConvolutionParameters

  init(_ name: String, _ config: DVAEConfig, in table: inout ParameterTable) {
    var width = config.codebookDim
    groups = (0..<config.groups).map { group in
      (0..<config.blocksPerGroup).map { block in
        let outputs = config.innerWidth >> group
        let upsamples = group > 0 && block == 0
        defer { width = outputs }
        return ResidualParameters(
          "\(name).blocks.group_\(group + 1).block_\(block + 1)", .decoder, inputs: width, outputs: outputs,
          size: config.grid << (upsamples ? group - 1 : group), upsamples: upsamples, in: &table)
      }
    }
    let shape = ConvolutionShape(height: config.imageSize, width: config.imageSize, inputs: width, outputs: 6, kernel: 1)
    let outputName = "\(name).blocks.output.conv"
    output = ConvolutionParameters(outputName, shape, to: table.addBlock(outputName), in: &table)
  }

  var blocks: [BlockID] { groups.joined().map(\.block) + [output.weight.block] }

  /// Floating-point operations of one sample's forward pass.
  var flops: Double { output.shape.flops + groups.joined().reduce(0) { $0 + $1.flops } }
}
