import CLanes
import Kernels
import Layers
import Memory

/// AdamW with the published transformer's extras (appendix B.2): norm clipping before the moments, and a ceiling on the
/// running variance estimate.
public struct AdamWConfig: Codable, Sendable, Equatable {
  public var beta1 = 0.9
  public var beta2 = 0.96
  public var epsilon = 1e-8
  /// Decoupled; applies to matrices only (no biases, gains, embeddings, heads).
  public var weightDecay = 4.5e-2
  /// Largest global gradient norm; 0 turns clipping off.
  public var clipNorm = 4.0
  /// Ceiling of the running variance estimate, before bias correction; 0 turns it off.
  public var varianceClip = 5.0

  public init() {}
}

/// One step's constants of AdamW, and the sweep over a slice of parameters that applies them.
public struct AdamW {
  private let beta1, beta2, epsilon, decay, rate, gradientScale, meanCorrection, varianceCorrection, varianceLimit: Float

  /// - Parameters:
  ///   - update: number of this update, from 1; bias correction depends on it.
  ///   - rate: learning rate of this update.
  ///   - gradientNorm: global norm of the gradient, for clipping.
  public init(_ config: AdamWConfig, update: Int, rate: Double, gradientNorm: Double) {
    precondition(update >= 1, "update number \(update)")
    beta1 = Float(config.beta1)
    beta2 = Float(config.beta2)
    epsilon = Float(config.epsilon)
    decay = Float(config.weightDecay * rate)
    self.rate = Float(rate)
    let clip = config.clipNorm > 0 && gradientNorm > config.clipNorm ? config.clipNorm / gradientNorm : 1
    gradientScale = Float(clip)
    meanCorrection = Float(1 / (1 - pow(config.beta1, update)))
    varianceCorrection = Float(1 / (1 - pow(config.beta2, update)))
    varianceLimit = config.varianceClip > 0 ? Float(config.varianceClip) : .infinity
  }

  /// Updates the floats `range` of a block: weights, both moments, and where they are kept the weights in bf16 and their average
  /// (`average = decay · average + (1 - decay) · weights`), in one pass over memory. All vectors have `range.count` elements.
  public func update(
    _ block: ParameterTable.Block, range: Range<Int>, weights: Vector, rounded: VectorView<BFloat16>? = nil, gradient: Vector,
    mean: Vector, variance: Vector, average: (values: Vector, decay: Float)? = nil
  ) {
    precondition(
      [weights.count, rounded?.count, gradient.count, mean.count, variance.count, average?.values.count]
        .allSatisfy { $0 ?? range.count == range.count }, "update of \(range) with vectors of other lengths")
    for parameter in block.parameters {
      let part = (parameter.offset..<parameter.offset + parameter.count).clamped(to: range)
      if part.isEmpty { continue }
      let start = part.lowerBound - range.lowerBound
      sweep(
        count: part.count, decay: parameter.role == .matrix ? decay : 0, weights.base + start, rounded.map { $0.base + start },
        gradient.base + start, mean.base + start, variance.base + start,
        average.map { ($0.values.base + start, decay: $0.decay) })
    }
  }

  private func sweep(
    count: Int, decay: Float, _ w: UnsafeMutablePointer<Float>, _ rounded: UnsafeMutablePointer<BFloat16>?,
    _ g: UnsafeMutablePointer<Float>, _ m: UnsafeMutablePointer<Float>, _ v: UnsafeMutablePointer<Float>,
    _ average: (UnsafeMutablePointer<Float>, decay: Float)?
  ) {
    typealias Lanes = SIMD16<Float>
    let keep = 1 - decay
    let oneMinusBeta1 = 1 - beta1
    let oneMinusBeta2 = 1 - beta2
    var i = 0
    while i + 16 <= count {
      let gradient = load(g + i) * gradientScale
      let mean = Lanes(repeating: 0).addingProduct(load(m + i), Lanes(repeating: beta1))
        .addingProduct(gradient, Lanes(repeating: oneMinusBeta1))
      var variance = Lanes(repeating: 0).addingProduct(load(v + i), Lanes(repeating: beta2))
        .addingProduct(gradient * gradient, Lanes(repeating: oneMinusBeta2))
      variance.replace(with: varianceLimit, where: variance .> varianceLimit)
      let denominator = lanes_square_roots(variance * varianceCorrection) + epsilon
      let step = mean * (meanCorrection * rate) / denominator
      store(mean, m + i)
      store(variance, v + i)
      let weights = load(w + i) * keep - step
      store(weights, w + i)
      if let rounded { BFloat16.store(weights, to: rounded + i) }
      if let (average, decay) = average { store(load(average + i) * decay + weights * (1 - decay), average + i) }
      i += 16
    }
    while i < count {
      let gradient = g[i] * gradientScale
      let mean = (beta1 * m[i]).addingProduct(gradient, oneMinusBeta1)
      let variance = min((beta2 * v[i]).addingProduct(gradient * gradient, oneMinusBeta2), varianceLimit)
      m[i] = mean
      v[i] = variance
      w[i] = w[i] * keep - mean * (meanCorrection * rate) / ((variance * varianceCorrection).squareRoot() + epsilon)
      rounded?[i] = BFloat16(w[i])
      if let (average, decay) = average { average[i] = average[i] * decay + w[i] * (1 - decay) }
      i += 1
    }
  }
}

@inline(__always) private func load(_ pointer: UnsafePointer<Float>) -> SIMD16<Float> {
  UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Float>.self)
}

@inline(__always) private func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD16<Float>.self)
}

private func pow(_ base: Double, _ exponent: Int) -> Double {
  var result = 1.0
  var square = base
  var left = exponent
  while left > 0 {
    if left & 1 == 1 { result *= square }
    square *= square
    left >>= 1
  }
  return result
}
