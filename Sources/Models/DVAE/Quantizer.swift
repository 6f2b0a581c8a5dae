import Kernels
import Layers
import Memory
import Tokens

/// From the encoder's rectified output to codes, and from codes to the decoder's entry. Positions are rows, G = N · grid².
protocol Quantizer<Element> {
  associatedtype Element: Scalar

  /// In training: the decoder's entry for every position of `rectified`, through which gradients flow. Returns the sum of the KL term in
  /// nats, 0 for quantizers that have none.
  func forward(_ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into entry: Vector) throws -> Double

  /// From the gradient of the decoder's entry to the parameters' gradients and that of `rectified`, in `dRectified`.
  func backward(
    _ dEntry: Vector, _ rectified: VectorView<Element>, _ walk: BlockWalk, _ relaxation: Relaxation, into dRectified: Vector) throws

  /// The code of every position. Returns the sum of the KL term in nats, 0 unless `measuringKL`.
  func encode(
    _ rectified: VectorView<Element>, _ walk: BlockWalk, measuringKL: Bool, into codes: UnsafeMutablePointer<Token>
  ) throws -> Double

  /// The decoder's entry for given codes, all below the vocabulary's size.
  func lookUp(_ codes: UnsafePointer<Token>, _ walk: BlockWalk, into entry: Vector) throws
}

/// How the published quantizer relaxes codes in a step.
struct Relaxation {
  let temperature: Float
  /// Of the KL term's gradient, in the step's loss.
  let klWeight: Float
  /// Writes the noise of a position.
  let noise: (_ position: Int, _ row: Vector) -> Void
}

/// Channels-last activations as `[positions, channels]`.
func rowsOfPositions<Kind>(_ values: VectorView<Kind>, _ channels: Int) -> MatrixView<Kind> {
  values.matrix(rows: values.count / channels, columns: channels)
}

/// Adds the gradients of a 1x1 convolution from `x` to what has the gradient `dy`.
func addGradients<Element: Scalar>(
  of layer: ConvolutionParameters, _ dy: MatrixView<Element>, _ x: MatrixView<Element>, to gradients: BlockValues
) {
  matmul(dy, x, transposing: .first, into: gradients.matrix(layer.weight), .accumulate)
  biasBackward(dy, addingTo: gradients[layer.bias])
}
