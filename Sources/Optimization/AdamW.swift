import CLanes
import Foundation
import Layers
import Memory

/// AdamW with the published transformer's extras (appendix B.2): norm clipping before the moments, and a ceiling on the
/// running variance estimate.
package struct AdamWConfig: Codable, Sendable, Equatable {
  package var beta1 = 0.9
  package var beta2 = 0.96
  package var epsilon = 1e-8
  /// Decoupled; applies to matrices only (no biases, gains, embeddings, heads).
  package var weightDecay = 4.5e-2
  /// Largest global gradient norm; 0 turns clipping off.
  package var clipNorm = 4.0
  /// Ceiling of the running variance estimate, before bias correction; 0 turns it off.
  package var varianceClip = 5.0

  package init() {}
}

/// AdamW (Loshchilov & Hutter 2019) as the published transformer uses it.
package struct AdamW: Optimizer {
  package static let firstMoment = StateArray("first_moment")
  package static let secondMoment = StateArray("second_moment")

  private let config: AdamWConfig

  package init(_ config: AdamWConfig) { self.config = config }

  package var state: [StateArray] { [Self.firstMoment, Self.secondMoment] }

  package func update(_ piece: ParameterPiece, _ context: UpdateContext) {
    let constants = Constants(config, context, decays: piece.parameter.role == .matrix)
    sweep(
      constants, count: piece.count, piece.weights.base, piece.gradient.base, piece.values(Self.firstMoment).base,
      piece.values(Self.secondMoment).base)
  }

  /// What is the same for all values of a piece.
  private struct Constants {
    let beta1, beta2, epsilon, decay, lr, gradientScale, meanCorrection, varianceCorrection, varianceLimit: Float

    init(_ config: AdamWConfig, _ context: UpdateContext, decays: Bool) {
      beta1 = Float(config.beta1)
      beta2 = Float(config.beta2)
      epsilon = Float(config.epsilon)
      decay = decays ? Float(config.weightDecay * context.lr) : 0
      lr = Float(context.lr)
      let clips = config.clipNorm > 0 && context.gradientNorm > config.clipNorm
      gradientScale = Float(clips ? config.clipNorm / context.gradientNorm : 1)
      meanCorrection = Float(1 / (1 - pow(config.beta1, Double(context.number))))
      varianceCorrection = Float(1 / (1 - pow(config.beta2, Double(context.number))))
      varianceLimit = config.varianceClip > 0 ? Float(config.varianceClip) : .infinity
    }
  }

  private func sweep(
    _ c: Constants, count: Int, _ w: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>,
    _ m: UnsafeMutablePointer<Float>, _ v: UnsafeMutablePointer<Float>
  ) {
    typealias Lanes = SIMD16<Float>
    let keep = 1 - c.decay
    let oneMinusBeta1 = 1 - c.beta1
    let oneMinusBeta2 = 1 - c.beta2
    var i = 0
    while i + 16 <= count {
      let gradient = load(g + i) * c.gradientScale
      let mean = Lanes(repeating: 0).addingProduct(load(m + i), Lanes(repeating: c.beta1))
        .addingProduct(gradient, Lanes(repeating: oneMinusBeta1))
      var variance = Lanes(repeating: 0).addingProduct(load(v + i), Lanes(repeating: c.beta2))
        .addingProduct(gradient * gradient, Lanes(repeating: oneMinusBeta2))
      variance.replace(with: c.varianceLimit, where: variance .> c.varianceLimit)
      let denominator = lanes_square_roots(variance * c.varianceCorrection) + c.epsilon
      let step = mean * (c.meanCorrection * c.lr) / denominator
      store(mean, m + i)
      store(variance, v + i)
      store(load(w + i) * keep - step, w + i)
      i += 16
    }
    while i < count {
      let gradient = g[i] * c.gradientScale
      let mean = (c.beta1 * m[i]).addingProduct(gradient, oneMinusBeta1)
      let variance = min((c.beta2 * v[i]).addingProduct(gradient * gradient, oneMinusBeta2), c.varianceLimit)
      m[i] = mean
      v[i] = variance
      w[i] = w[i] * keep - mean * (c.meanCorrection * c.lr) / ((variance * c.varianceCorrection).squareRoot() + c.epsilon)
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
