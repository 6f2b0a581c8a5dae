import Kernels
import Memory

/// The parameters of a convolutional residual block, `NAME.res_path.conv_1` to `conv_4` and, where the width changes,
/// `NAME.id_path` (released dVAE code).
package struct ResidualParameters: Sendable {
  /// Where the wide 3x3 convolution is: at the start in an encoder, at the end in a decoder.
  package enum Kind: Sendable {
    case encoder  // kernels 3, 3, 3, 1
    case decoder  // kernels 1, 3, 3, 3
  }

  package let block: BlockID
  package let inputs: Int
  package let outputs: Int
  /// Height and width of the input.
  package let inputSize: Int
  /// Height and width of the output: twice `inputSize` in a block that upsamples.
  package let outputSize: Int
  package let convolutions: [ConvolutionParameters]
  package let identity: ConvolutionParameters?

  package var upsamples: Bool { outputSize != inputSize }
  /// Channels inside the residual path.
  package var hidden: Int { outputs / 4 }

  /// A block `inputs` -> `outputs` channels on images of `size` x `size`.
  ///
  /// A decoder block that upsamples computes `block(upsample(x))`. Its first convolution and its identity path are 1x1,
  /// which commute with nearest-neighbour upsampling (so does the rectifier), so they run before it on a quarter of the pixels.
  package init(
    _ name: String, _ kind: Kind, inputs: Int, outputs: Int, size: Int, upsamples: Bool = false,
    in table: inout ParameterTable
  ) {
    precondition(!upsamples || kind == .decoder && inputs != outputs, "\(name) cannot upsample")
    block = table.addBlock(name)
    (self.inputs, self.outputs, inputSize, outputSize) = (inputs, outputs, size, upsamples ? 2 * size : size)
    let kernels = kind == .encoder ? [3, 3, 3, 1] : [1, 3, 3, 3]
    let widths = [inputs, outputs / 4, outputs / 4, outputs / 4, outputs]
    var convolutions: [ConvolutionParameters] = []
    for index in 0..<4 {
      let side = index == 0 ? inputSize : outputSize
      let shape = ConvolutionShape(
        height: side, width: side, inputs: widths[index], outputs: widths[index + 1], kernel: kernels[index])
      convolutions.append(ConvolutionParameters("\(name).res_path.conv_\(index + 1)", shape, to: block, in: &table))
    }
    self.convolutions = convolutions
    let shape = ConvolutionShape(height: size, width: size, inputs: inputs, outputs: outputs, kernel: 1)
    identity = inputs == outputs ? nil : ConvolutionParameters("\(name).id_path", shape, to: block, in: &table)
  }

  /// Floats of one sample's input and output.
  package var inputCount: Int { inputSize * inputSize * inputs }
  package var outputCount: Int { outputSize * outputSize * outputs }
  var hiddenCount: Int { outputSize * outputSize * hidden }

  /// Floating-point operations of one sample's forward pass.
  package var flops: Double { (convolutions + (identity.map { [$0] } ?? [])).reduce(0) { $0 + $1.shape.flops } }
}
