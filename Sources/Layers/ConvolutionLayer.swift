import Kernels
import Memory

/// The parameters of a convolution, `NAME.w` of shape `[outputs, inputs, kernel, kernel]` and `NAME.b`, and its shape.
///
/// Weights are initialized as N(0, 1 / sqrt(inputs · kernel²)), biases as 0 (released dVAE code).
package struct ConvolutionParameters: Sendable {
  package let weight: Parameter
  package let bias: Parameter
  package let shape: ConvolutionShape

  package init(_ name: String, _ shape: ConvolutionShape, to block: BlockID, in table: inout ParameterTable) {
    self.shape = shape
    let std = 1 / Float(shape.inputs * shape.kernel * shape.kernel).squareRoot()
    weight = table.add(
      "\(name).w", [shape.outputs, shape.inputs, shape.kernel, shape.kernel], .matrix,
      .normal(std: std), to: block)
    bias = table.add("\(name).b", [shape.outputs], .bias, .constant(0), to: block)
  }
}

/// A convolution with its parameters' addresses. Activations are channels-last, its operands in `Element`.
package struct ConvolutionLayer<Element: Scalar> {
  package let parameters: ConvolutionParameters
  private let convolution: Convolution<Element>

  /// Prepares for `samples` samples. The layer computes `scale · (weights * x + bias)`; see `Convolution.Output`.
  package init(
    _ parameters: ConvolutionParameters, samples: Int, scale: Float = 1, output: Convolution<Element>.Output = .plain,
    training: Bool, scratch: ConvolutionScratch
  ) {
    self.parameters = parameters
    convolution = Convolution(
      parameters.shape, samples: samples, scale: scale, output: output, training: training, scratch: scratch)
  }

  package func forward<Result: Scalar>(_ x: VectorView<Element>, _ weights: BlockValues, into y: VectorView<Result>) {
    convolution.forward(x, weights: weights[parameters.weight], bias: weights[parameters.bias], into: y)
  }

  /// dx = the gradient of x, overwritten.
  package func backwardInput<Result: Scalar>(_ dy: VectorView<Element>, _ weights: BlockValues, into dx: VectorView<Result>) {
    convolution.backwardInput(dy, weights: weights[parameters.weight], into: dx)
  }

  /// Adds to the parameters' gradients, if they are wanted.
  package func backwardWeights(_ x: VectorView<Element>, _ dy: VectorView<Element>, into gradients: BlockValues?) {
    guard let gradients else { return }
    convolution.backwardWeights(
      x, dy, intoWeights: gradients[parameters.weight], bias: gradients[parameters.bias])
  }
}
