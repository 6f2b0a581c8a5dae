import Kernels
import Memory

/// The convolutional residual block of the dVAE: `identity(x) + scale · conv(relu(conv(relu(conv(relu(conv(relu(x))))))))`.
///
/// Where the width stays, the identity path is the stream itself: the block works in place. The backward pass overwrites
/// activations with their gradients, which so need no memory of their own. The stream is fp32;
/// what convolutions take is in `Element`.
package struct ResidualBlock<Element: Scalar> {
  /// What the backward pass needs of the forward pass besides the input.
  package struct Saved {
    let rectified: VectorView<Element>  // [samples, inputSize², inputs]
    let hidden: Hidden
  }

  /// The residual path between its convolutions, each [samples, outputSize², hidden], rectified.
  package struct Hidden {
    let first, second, third: VectorView<Element>
  }

  /// Memory that is free between calls, so all blocks may share it.
  package struct Scratch {
    /// The input and the output's gradient as operands; empty where the stream is in that format.
    let operands: (x: VectorView<Element>, dy: VectorView<Element>)
    let dRectified: VectorView<Element>  // [samples, inputSize², inputs]
    let dHidden: (VectorView<Element>, VectorView<Element>)  // each [samples, outputSize², hidden]
    /// Before upsampling: the identity path, [samples, inputSize², outputs], its gradient, and the residual path.
    let low: Vector
    let dLow: VectorView<Element>
    let lowHidden: VectorView<Element>
  }

  package let parameters: ResidualParameters
  private let convolutions: [ConvolutionLayer<Element>]
  private let identity: ConvolutionLayer<Element>?
  private let recomputes: Bool

  /// - Parameters:
  ///   - scale: the post-gain of the residual path; small for a stable start (paper 2.1, footnote 4).
  ///   - recomputes: the backward pass computes `Saved.hidden` again, so blocks may share its memory.
  package init(
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
  package func forward(_ x: Vector, _ weights: BlockValues, saved: Saved, scratch: Scratch, into y: Vector) {
    let samples = samples(x, y)
    let rectified = part(saved.rectified, samples * parameters.inputCount)
    rectify(x, into: rectified)
    let third = forwardHidden(rectified, weights, saved.hidden, scratch, samples)
    if let identity {
      let x = Element.rounded(x, into: scratch.operands.x)
      if parameters.upsamples {
        let low = part(scratch.low, y.count / 4)
        identity.forward(x, weights, into: low)
        upsample(
          maps(low, samples, parameters.inputSize, parameters.outputs),
          into: maps(y, samples, parameters.outputSize, parameters.outputs))
      } else {
        identity.forward(x, weights, into: y)
      }
    }
    convolutions[3].forward(third, weights, into: y)
  }

  /// On entry y has the gradient of the block's output and x its input (with an identity convolution; without, x is y).
  /// On exit x has the gradient of the input, and the parameters' gradients are added to `gradients`, if there are any.
  package func backward(
    _ x: Vector, _ y: Vector, _ weights: BlockValues, _ gradients: BlockValues?, saved: Saved, scratch: Scratch
  ) {
    let samples = samples(x, y)
    let rectified = part(saved.rectified, samples * parameters.inputCount)
    if recomputes { _ = forwardHidden(rectified, weights, saved.hidden, scratch, samples) }
    let count = samples * parameters.hiddenCount
    let first = part(saved.hidden.first, count)
    let second = part(saved.hidden.second, count)
    let third = part(saved.hidden.third, count)
    let (a, b) = (part(scratch.dHidden.0, count), part(scratch.dHidden.1, count))

    let dy = Element.rounded(y, into: scratch.operands.dy)
    convolutions[3].backwardWeights(third, dy, into: gradients)
    convolutions[3].backwardInput(dy, weights, into: a)
    rectifyBackward(a, rectified: third)
    convolutions[2].backwardWeights(second, a, into: gradients)
    convolutions[2].backwardInput(a, weights, into: b)
    rectifyBackward(b, rectified: second)
    convolutions[1].backwardWeights(first, b, into: gradients)
    convolutions[1].backwardInput(b, weights, into: a)
    rectifyBackward(a, rectified: first)
    let dFirst = parameters.upsamples ? beforeUpsampling(a, samples, parameters.hidden, in: scratch.lowHidden) : a
    convolutions[0].backwardWeights(rectified, dFirst, into: gradients)
    let dRectified = part(scratch.dRectified, x.count)
    convolutions[0].backwardInput(dFirst, weights, into: dRectified)

    if let identity {
      let dIdentity = parameters.upsamples ? beforeUpsampling(y, samples, parameters.outputs, in: scratch.dLow) : dy
      identity.backwardWeights(Element.rounded(x, into: scratch.operands.x), dIdentity, into: gradients)
      identity.backwardInput(dIdentity, weights, into: x)
    }
    rectifyBackwardAdd(dRectified, rectified: rectified, into: x)
  }

  /// The residual path up to the input of the last convolution, which is returned.
  private func forwardHidden(
    _ rectified: VectorView<Element>, _ weights: BlockValues, _ hidden: Hidden, _ scratch: Scratch, _ samples: Int
  ) -> VectorView<Element> {
    let count = samples * parameters.hiddenCount
    let first = part(hidden.first, count)
    let second = part(hidden.second, count)
    let third = part(hidden.third, count)
    if parameters.upsamples {
      let low = part(scratch.lowHidden, count / 4)
      convolutions[0].forward(rectified, weights, into: low)
      upsample(
        maps(low, samples, parameters.inputSize, parameters.hidden),
        into: maps(first, samples, parameters.outputSize, parameters.hidden))
    } else {
      convolutions[0].forward(rectified, weights, into: first)
    }
    convolutions[1].forward(first, weights, into: second)
    convolutions[2].forward(second, weights, into: third)
    return third
  }

  /// The gradient before upsampling.
  private func beforeUpsampling(
    _ gradient: VectorView<some Scalar>, _ samples: Int, _ channels: Int, in low: VectorView<Element>
  ) -> VectorView<Element> {
    let result = part(low, gradient.count / 4)
    upsampleBackward(
      maps(gradient, samples, parameters.outputSize, channels),
      into: maps(result, samples, parameters.inputSize, channels))
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

  private func part<Kind>(_ vector: VectorView<Kind>, _ count: Int) -> VectorView<Kind> { vector[0..<count] }

  private func maps<Kind>(_ values: VectorView<Kind>, _ samples: Int, _ size: Int, _ channels: Int) -> FeatureMaps<Kind> {
    FeatureMaps(values, samples: samples, height: size, width: size, channels: channels)
  }
}

extension ResidualParameters {
  package func takeRectified<Element: Scalar>(_ samples: Int, from space: inout Space) -> VectorView<Element> {
    space.vector(samples * inputCount, of: Element.self)
  }

  package func takeHidden<Element: Scalar>(_ samples: Int, from space: inout Space) -> ResidualBlock<Element>.Hidden {
    let count = samples * hiddenCount
    func take() -> VectorView<Element> { space.vector(count, of: Element.self) }
    return ResidualBlock.Hidden(first: take(), second: take(), third: take())
  }

  package func takeScratch<Element: Scalar>(
    _ samples: Int, training: Bool, from space: inout Space
  ) -> ResidualBlock<Element>.Scratch {
    func take(_ isNeeded: Bool, _ countPerSample: Int) -> VectorView<Element> {
      space.vector(isNeeded ? samples * countPerSample : 0, of: Element.self)
    }
    let rounds = Element.self != Float.self
    let low = upsamples ? inputSize * inputSize : 0
    return ResidualBlock.Scratch(
      operands: (x: take(rounds && identity != nil, inputCount), dy: take(rounds && training, outputCount)),
      dRectified: take(training, inputCount), dHidden: (take(training, hiddenCount), take(training, hiddenCount)),
      low: space.vector(samples * low * outputs), dLow: take(training, low * outputs), lowHidden: take(true, low * hidden))
  }
}

extension ResidualBlock.Saved {
  package init(_ rectified: VectorView<Element>, _ hidden: ResidualBlock<Element>.Hidden) {
    self.init(rectified: rectified, hidden: hidden)
  }
}
