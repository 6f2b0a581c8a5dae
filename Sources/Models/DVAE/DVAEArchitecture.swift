import Kernels
import Layers

/// The layers of a dVAE and their parameters, named as in the released code. One gradient block per residual block, and
/// one for each input and output convolution.
package struct DVAEArchitecture: Sendable {
  package let table: ParameterTable
  let encoderInput: ConvolutionParameters
  let encoderGroups: [[ResidualParameters]]
  let encoderOutput: ConvolutionParameters
  /// The codebook: a 1x1 convolution of one-hot codes, or of their relaxation.
  let decoderInput: ConvolutionParameters
  let decoderGroups: [[ResidualParameters]]
  let decoderOutput: ConvolutionParameters

  /// The config must be valid.
  package init(_ config: DVAEConfig) {
    var table = ParameterTable()

    func convolution(_ name: String, _ inputs: Int, _ outputs: Int, size: Int, kernel: Int) -> ConvolutionParameters {
      let shape = ConvolutionShape(height: size, width: size, inputs: inputs, outputs: outputs, kernel: kernel)
      return ConvolutionParameters(name, shape, to: table.addBlock(name), in: &table)
    }

    encoderInput = convolution("encoder.blocks.input", 3, config.baseChannels, size: config.imageSize, kernel: 7)
    var width = config.baseChannels
    encoderGroups = (0..<config.groups).map { group in
      (0..<config.blocksPerGroup).map { block in
        defer { width = config.baseChannels << group }
        return ResidualParameters(
          "encoder.blocks.group_\(group + 1).block_\(block + 1)", .encoder, inputs: width,
          outputs: config.baseChannels << group, size: config.imageSize >> group, in: &table)
      }
    }
    encoderOutput = convolution("encoder.blocks.output.conv", width, config.vocabulary, size: config.grid, kernel: 1)

    decoderInput = convolution("decoder.blocks.input", config.vocabulary, config.codebookDim, size: config.grid, kernel: 1)
    width = config.codebookDim
    decoderGroups = (0..<config.groups).map { group in
      (0..<config.blocksPerGroup).map { block in
        let outputs = config.innerWidth >> group
        let upsamples = group > 0 && block == 0
        defer { width = outputs }
        return ResidualParameters(
          "decoder.blocks.group_\(group + 1).block_\(block + 1)", .decoder, inputs: width, outputs: outputs,
          size: config.grid << (upsamples ? group - 1 : group), upsamples: upsamples, in: &table)
      }
    }
    decoderOutput = convolution("decoder.blocks.output.conv", width, 6, size: config.imageSize, kernel: 1)
    self.table = table
  }

  /// Floating-point operations of one sample's forward pass through the encoder.
  package var encoderFlops: Double {
    encoderInput.shape.flops + encoderOutput.shape.flops + encoderGroups.joined().reduce(0) { $0 + $1.flops }
  }

  /// Floating-point operations of one sample's forward pass through the decoder, from the relaxation.
  package var decoderFlops: Double {
    decoderInput.shape.flops + decoderOutput.shape.flops + decoderGroups.joined().reduce(0) { $0 + $1.flops }
  }

  /// Those of a sample's forward and backward pass, which takes two operations for each one.
  package var trainingFlops: Double { 3 * (encoderFlops + decoderFlops) }

  /// What the backward pass computes once more where activations of residual blocks are not kept: all their convolutions but the last.
  package var recomputedFlops: Double {
    (encoderGroups + decoderGroups).joined().reduce(0) { sum, block in
      block.convolutions.dropLast().reduce(sum) { $0 + $1.shape.flops }
    }
  }
}
