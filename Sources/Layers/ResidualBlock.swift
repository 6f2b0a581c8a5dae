import Kernels
import Memory

/// The convolutional residual block of the dVAE: `identity(x) + scale · conv(relu(conv(relu(conv(relu(conv(relu(x))))))))`.
///
/// Where the width stays, the identity path is the stream itself: the block works in place. The backward pass puts
/// gradients in the place of the activations they belong to, so that they need no memory of their own.
public struct ResidualBlock {
  /// What the backward pass needs of the forward pass besides the input.
  public struct Saved {
    let rectified: Vector  // [samples, inputSize², inputs]
    let hidden: Hidden
  }

  /// The residual path between its convolutions, each [samples, outputSize², hidden], rectified.
  public struct Hidden {
    let first, second, third: Vector
  }

  /// Room that is free between calls, so all blocks may share it.
  public struct Scratch {
    let dRectified: Vector  // [samples, inputSize², inputs]
    let dHidden: (Vector, Vector)  // each [samples, outputSize², hidden]
    /// Before upsampling: the identity path, [samples, inputSize², outputs], and the residual path.
    let low: Vector
    let lowHidden: Vector
  }

  public let parameters: ResidualParameters
  private let convolutions: [ConvolutionLayer]
  private let identity: ConvolutionLayer?
  private let recomputes: Bool

  /// - Parameters:
  ///   - scale: the post-gain of the residual path; small for a stable start (paper 2.1, footnote 4).
  ///   - recomputes: the backward pass computes `Saved.hidden` again, so blocks may share its memory.
  public init(
    _ parameters: ResidualParameters, samples: Int, scale: Float, training: Bool, recomputes: Bool,
    scratch: ConvolutionScratch
  ) {
    self.parameters = parameters
    self.recomputes = recomputes
    convolutions = parameters.convolutions.enumerated().map { index, convolution in
      ConvolutionLayer(
        convolution, samples: samples, scale: index == 3 ? scale : 1, output: index == 3 ? .added : .rectified,
        training: training, scratch: scratch)
    }
    identity = parameters.identity.map {
      ConvolutionLayer($0, samples: samples, training: training, scratch: scratch)
    }
  }

  /// y = the block's output for x. Without an identity convolution y must be x.
  public func forward(_ x: Vector, _ weights: BlockValues, saved: Saved, scratch: Scratch, into y: Vector) {
    let samples = samples(x, y)
    let rectified = part(saved.rectified, samples * parameters.inputCount)
    rectify(x, into: rectified)
    let third = forwardHidden(rectified, weights, saved.hidden, scratch, samples)
    if let identity {
      if parameters.upsamples {
        let low = part(scratch.low, y.count / 4)
        identity.forward(x, weights, into: low)
        upsample(
          pictures(low, samples, parameters.inputSize, parameters.outputs),
          into: pictures(y, samples, parameters.outputSize, parameters.outputs))
      } else {
        identity.forward(x, weights, into: y)
      }
    }
    convolutions[3].forward(third, weights, into: y)
  }

  /// On entry y holds the gradient of the block's output and x its input (with an identity convolution; without, x is y).
  /// On exit x holds the gradient of the input, and the parameters' gradients are added to `gradients`.
  public func backward(
    _ x: Vector, _ y: Vector, _ weights: BlockValues, _ gradients: BlockValues, saved: Saved, scratch: Scratch
  ) {
    let samples = samples(x, y)
    let rectified = part(saved.rectified, samples * parameters.inputCount)
    if recomputes { _ = forwardHidden(rectified, weights, saved.hidden, scratch, samples) }
    let count = samples * parameters.hiddenCount
    let first = part(saved.hidden.first, count)
    let second = part(saved.hidden.second, count)
    let third = part(saved.hidden.third, count)
    let (a, b) = (part(scratch.dHidden.0, count), part(scratch.dHidden.1, count))

    convolutions[3].backwardWeights(third, y, into: gradients)
    convolutions[3].backwardInput(y, weights, into: a)
    rectifyBackward(a, rectified: third)
    convolutions[2].backwardWeights(second, a, into: gradients)
    convolutions[2].backwardInput(a, weights, into: b)
    rectifyBackward(b, rectified: second)
    convolutions[1].backwardWeights(first, b, into: gradients)
    convolutions[1].backwardInput(b, weights, into: a)
    rectifyBackward(a, rectified: first)
    let dFirst = beforeUpsampling(a, samples, parameters.hidden, scratch.lowHidden)
    convolutions[0].backwardWeights(rectified, dFirst, into: gradients)
    let dRectified = part(scratch.dRectified, x.count)
    convolutions[0].backwardInput(dFirst, weights, into: dRectified)

    if let identity {
      let dIdentity = beforeUpsampling(y, samples, parameters.outputs, scratch.low)
      identity.backwardWeights(x, dIdentity, into: gradients)
      identity.backwardInput(dIdentity, weights, into: x)
    }
    rectifyBackwardAdd(dRectified, rectified: rectified, into: x)
  }

  /// The residual path up to the input of the last convolution, which is returned.
  private func forwardHidden(
    _ rectified: Vector, _ weights: BlockValues, _ hidden: Hidden, _ scratch: Scratch, _ samples: Int
  ) -> Vector {
    let count = samples * parameters.hiddenCount
    let first = part(hidden.first, count)
    let second = part(hidden.second, count)
    let third = part(hidden.third, count)
    if parameters.upsamples {
      let low = part(scratch.lowHidden, count / 4)
      convolutions[0].forward(rectified, weights, into: low)
      upsample(
        pictures(low, samples, parameters.inputSize, parameters.hidden),
        into: pictures(first, samples, parameters.outputSize, parameters.hidden))
    } else {
      convolutions[0].forward(rectified, weights, into: first)
    }
    convolutions[1].forward(first, weights, into: second)
    convolutions[2].forward(second, weights, into: third)
    return third
  }

  /// The gradient before upsampling, in `low`; the gradient itself in a block that does not upsample.
  private func beforeUpsampling(_ gradient: Vector, _ samples: Int, _ channels: Int, _ low: Vector) -> Vector {
    guard parameters.upsamples else { return gradient }
    let result = part(low, gradient.count / 4)
    upsampleBackward(
      pictures(gradient, samples, parameters.outputSize, channels),
      into: pictures(result, samples, parameters.inputSize, channels))
    return result
  }

  private func samples(_ x: Vector, _ y: Vector) -> Int {
    let samples = x.count / parameters.inputCount
    precondition(
      x.count == samples * parameters.inputCount && y.count == samples * parameters.outputCount,
      "a block of \(parameters.inputCount) -> \(parameters.outputCount) floats with \(x.count) -> \(y.count)")
    precondition(identity != nil || x.base == y.base, "a block without identity convolution works in place")
    return samples
  }

  private func part(_ vector: Vector, _ count: Int) -> Vector { vector[0..<count] }

  private func pictures(_ values: Vector, _ samples: Int, _ size: Int, _ channels: Int) -> Pictures {
    Pictures(values, samples: samples, height: size, width: size, channels: channels)
  }
}

extension ResidualParameters {
  public func takeRectified(_ samples: Int, from space: inout Space) -> Vector { space.vector(samples * inputCount) }

  public func takeHidden(_ samples: Int, from space: inout Space) -> ResidualBlock.Hidden {
    let count = samples * hiddenCount
    return ResidualBlock.Hidden(first: space.vector(count), second: space.vector(count), third: space.vector(count))
  }

  public func takeScratch(_ samples: Int, training: Bool, from space: inout Space) -> ResidualBlock.Scratch {
    let low = upsamples ? samples * inputSize * inputSize : 0
    return ResidualBlock.Scratch(
      dRectified: space.vector(training ? samples * inputCount : 0),
      dHidden: (
        space.vector(training ? samples * hiddenCount : 0), space.vector(training ? samples * hiddenCount : 0)
      ),
      low: space.vector(low * outputs), lowHidden: space.vector(low * hidden))
  }
}

extension ResidualBlock.Saved {
  public init(_ rectified: Vector, _ hidden: ResidualBlock.Hidden) {
    self.init(rectified: rectified, hidden: hidden)
  }
}
