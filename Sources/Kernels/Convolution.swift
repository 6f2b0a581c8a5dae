import CDNN
import Memory

/// The shape of a convolution with stride 1, odd square kernel and padding (kernel - 1) / 2, so that height and width
/// stay the same. Activations are channels-last: `[samples, height, width, channels]`.
public struct ConvolutionShape: Hashable, Sendable {
  public let height: Int
  public let width: Int
  public let inputs: Int
  public let outputs: Int
  public let kernel: Int

  public init(height: Int, width: Int, inputs: Int, outputs: Int, kernel: Int) {
    precondition(kernel % 2 == 1, "a kernel of \(kernel) has no center")
    (self.height, self.width, self.inputs, self.outputs, self.kernel) = (height, width, inputs, outputs, kernel)
  }

  /// Floats of one sample's input.
  public var inputCount: Int { height * width * inputs }
  /// Floats of one sample's output.
  public var outputCount: Int { height * width * outputs }
  public var weightCount: Int { outputs * inputs * kernel * kernel }
  /// Floating-point operations of one sample's forward pass; each of the two backward passes takes as many.
  public var flops: Double { 2 * Double(height * width) * Double(weightCount) }
}

/// Memory that convolutions need while they run. Nothing is kept in it between calls, so all convolutions of a model share one.
public final class ConvolutionScratch {
  private var storage = Buffer<UInt8>(count: 0)
  public var byteCount: Int { storage.count }
  var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(storage.base) }

  public init() {}

  func reserve(_ bytes: Int) {
    if bytes > storage.count { storage = Buffer(count: bytes) }
  }
}

/// A convolution of one shape (oneDNN), computing `scale · (weights * x + bias)` from operands in `Element` with sums in fp32.
///
/// Weights and their gradient are fp32 in PyTorch's layout `[outputs, inputs, kernel, kernel]` and are packed at every call:
/// they are small compared to the activations, and the model need not track when they change. What oneDNN prepares for a number
/// of samples is kept, so that a step allocates nothing after the first with that number.
public final class Convolution<Element: Scalar> {
  /// What happens to the result. A residual stream is fp32 and so is its gradient; what is between convolutions is in `Element`.
  public enum Output {
    /// From stream to stream: y and dx are fp32.
    case plain
    /// max(0, result): y and dx are in `Element`. The backward passes still take the gradient before rectification.
    case rectified
    /// Added to the stream at the destination: y is fp32, dx in `Element`.
    case added
  }

  public let shape: ConvolutionShape
  private let scale: Float
  private let output: Output
  private let training: Bool
  private let scratch: ConvolutionScratch
  private var plans: [Int: OpaquePointer] = [:]

  /// Prepares the convolution for `samples` samples; other numbers are prepared when they first occur.
  /// Without `training` only `forward` may be called.
  public init(
    _ shape: ConvolutionShape, samples: Int, scale: Float = 1, output: Output = .plain, training: Bool,
    scratch: ConvolutionScratch
  ) {
    (self.shape, self.scale, self.output, self.training, self.scratch) = (shape, scale, output, training, scratch)
    _ = plan(samples: samples)
  }

  deinit { for plan in plans.values { cdnn_convolution_destroy(plan) } }

  /// y = scale · (weights * x + bias), treated as `Output` says. x is `[samples, height, width, inputs]`, y
  /// `[samples, height, width, outputs]`.
  public func forward<Result: Scalar>(
    _ x: VectorView<Element>, weights: Vector, bias: Vector, into y: VectorView<Result>
  ) {
    check(Result.self, isElement: yIsElement)
    let span = KernelClock.begin(.convolutions)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let plan = plan(samples: check(x.count, y.count, weights, bias))
    check(cdnn_convolution_forward(plan, x.base, weights.base, bias.base, y.base, scratch.base), "forward")
  }

  /// dx = the gradient of x, overwritten.
  public func backwardInput<Result: Scalar>(_ dy: VectorView<Element>, weights: Vector, into dx: VectorView<Result>) {
    check(Result.self, isElement: dxIsElement)
    let span = KernelClock.begin(.convolutions)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let plan = plan(samples: check(dx.count, dy.count, weights, nil))
    check(cdnn_convolution_backward_input(plan, dy.base, weights.base, dx.base, scratch.base), "backward of the input")
  }

  /// Adds the gradients of the weights and the bias.
  public func backwardWeights(
    _ x: VectorView<Element>, _ dy: VectorView<Element>, intoWeights dWeights: Vector, bias dBias: Vector
  ) {
    let span = KernelClock.begin(.convolutions)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let plan = plan(samples: check(x.count, dy.count, dWeights, dBias))
    check(
      cdnn_convolution_backward_weights(plan, x.base, dy.base, dWeights.base, dBias.base, scratch.base),
      "backward of the weights")
  }

  /// Checks the sizes and returns the number of samples.
  private func check(_ x: Int, _ y: Int, _ weights: Vector, _ bias: Vector?) -> Int {
    let samples = x / shape.inputCount
    precondition(
      x == samples * shape.inputCount && y == samples * shape.outputCount
        && weights.count == shape.weightCount && bias?.count ?? shape.outputs == shape.outputs,
      "\(shape) with \(x) inputs, \(y) outputs, \(weights.count) weights, \(bias?.count ?? 0) biases")
    return samples
  }

  private var yIsElement: Bool { output == .rectified }
  private var dxIsElement: Bool { output != .plain }

  private func check<Result: Scalar>(_ type: Result.Type, isElement: Bool) {
    precondition(isElement ? type == Element.self : type == Float.self, "\(output) results of \(Element.self) in \(type)")
  }

  private func check(_ status: Int32, _ what: String) {
    checkOneDNN(status, "\(what) of \(shape)")
  }

  private func plan(samples: Int) -> OpaquePointer {
    if let plan = plans[samples] { return plan }
    let kinds: [Output: Int] = [.plain: CDNN_PLAIN, .rectified: CDNN_RECTIFIED, .added: CDNN_ADDED]
    func isBF16(_ isElement: Bool) -> Int32 { isElement && Element.self == BFloat16.self ? 1 : 0 }
    var description = cdnn_convolution_shape(
      samples: Int64(samples), height: Int64(shape.height), width: Int64(shape.width), inputs: Int64(shape.inputs),
      outputs: Int64(shape.outputs), kernel: Int64(shape.kernel), scale: scale, output: Int32(kinds[output]!),
      training: training ? 1 : 0, operands_are_bf16: isBF16(true), y_is_bf16: isBF16(yIsElement),
      dx_is_bf16: isBF16(dxIsElement))
    var created: OpaquePointer?
    check(cdnn_convolution_create(&created, &description), "preparing \(samples) samples")
    let plan = created!
    scratch.reserve(cdnn_convolution_scratch_bytes(plan))
    plans[samples] = plan
    return plan
  }
}
