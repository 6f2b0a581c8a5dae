import CLanes
import Foundation
import Layers
import Memory
import Random

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
  package var moments = MomentFormat.fp32

  package init() {}
}

/// AdamW (Loshchilov & Hutter 2019) as the published transformer uses it.
package struct AdamW: Optimizer {
  package let firstMoment: StateArray
  package let secondMoment: StateArray

  private let config: AdamWConfig

  package init(_ config: AdamWConfig) {
    self.config = config
    let types = config.moments.elementTypes
    (firstMoment, secondMoment) = (StateArray("first_moment", types.first), StateArray("second_moment", types.second))
  }

  package var state: [StateArray] { [firstMoment, secondMoment] }

  package func update(_ piece: ParameterPiece, _ context: UpdateContext) {
    let constants = Constants(config, context, piece)
    switch config.moments {
    case .fp32: sweep(constants, piece, FP32State.self, FP32State.self)
    case .bf16: sweep(constants, piece, BF16State.self, BF16State.self)
    case .published: sweep(constants, piece, Float169State.self, Float610State.self)
    }
  }

  /// What is the same for all values of a piece.
  private struct Constants {
    let beta1, beta2, epsilon, decay, lr, gradientScale, meanCorrection, varianceCorrection, varianceLimit: Float
    /// Of the random numbers: with a value's place in its block, it decides them, so that they do not depend on who computes.
    let key: UInt32

    init(_ config: AdamWConfig, _ context: UpdateContext, _ piece: ParameterPiece) {
      beta1 = Float(config.beta1)
      beta2 = Float(config.beta2)
      epsilon = Float(config.epsilon)
      decay = piece.parameter.role == .matrix ? Float(config.weightDecay * context.lr) : 0
      lr = Float(context.lr)
      let clips = config.clipNorm > 0 && context.gradientNorm > config.clipNorm
      gradientScale = Float(clips ? config.clipNorm / context.gradientNorm : 1)
      meanCorrection = Float(1 / (1 - pow(config.beta1, Double(context.number))))
      varianceCorrection = Float(1 / (1 - pow(config.beta2, Double(context.number))))
      varianceLimit = config.varianceClip > 0 ? Float(config.varianceClip) : .infinity
      let hash = fnv1a([UInt64(context.number), UInt64(piece.parameter.block.index)])
      key = UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
  }

  private func sweep<First: StateElement, Second: StateElement>(
    _ c: Constants, _ piece: ParameterPiece, _: First.Type, _: Second.Type
  ) {
    let (w, g) = (piece.weights.base, piece.gradient.base)
    let m = piece.base(firstMoment, of: First.Storage.self)
    let v = piece.base(secondMoment, of: Second.Storage.self)
    let first = UInt32(truncatingIfNeeded: piece.range.lowerBound)
    var i = 0
    while i + 16 <= piece.count {
      let random = First.self == FP32State.self ? SIMD16() : lanes_hashes(first &+ UInt32(truncatingIfNeeded: i), c.key)
      step(c, random, w + i, g + i, m + i, v + i, First.self, Second.self)
      i += 16
    }
    guard i < piece.count else { return }
    // The rest goes through full vectors beside the arrays.
    let random = First.self == FP32State.self ? SIMD16() : lanes_hashes(first &+ UInt32(truncatingIfNeeded: i), c.key)
    let rest = piece.count - i
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 32) { numbers in
      withUnsafeTemporaryAllocation(of: First.Storage.self, capacity: 16) { means in
        withUnsafeTemporaryAllocation(of: Second.Storage.self, capacity: 16) { variances in
          let (weights, gradients) = (numbers.baseAddress!, numbers.baseAddress! + 16)
          let (mean, variance) = (means.baseAddress!, variances.baseAddress!)
          numbers.initialize(repeating: 0)
          memset(mean, 0, 16 * MemoryLayout<First.Storage>.stride)
          memset(variance, 0, 16 * MemoryLayout<Second.Storage>.stride)
          weights.update(from: w + i, count: rest)
          gradients.update(from: g + i, count: rest)
          mean.update(from: m + i, count: rest)
          variance.update(from: v + i, count: rest)
          step(c, random, weights, gradients, mean, variance, First.self, Second.self)
          (w + i).update(from: weights, count: rest)
          (m + i).update(from: mean, count: rest)
          (v + i).update(from: variance, count: rest)
        }
      }
    }
  }

  /// Updates sixteen values.
  @inline(__always) private func step<First: StateElement, Second: StateElement>(
    _ c: Constants, _ random: SIMD16<UInt32>, _ w: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>,
    _ m: UnsafeMutablePointer<First.Storage>, _ v: UnsafeMutablePointer<Second.Storage>, _: First.Type, _: Second.Type
  ) {
    typealias Lanes = SIMD16<Float>
    let gradient = load(g) * c.gradientScale
    let mean = Lanes(repeating: 0).addingProduct(First.load(m), Lanes(repeating: c.beta1))
      .addingProduct(gradient, Lanes(repeating: 1 - c.beta1))
    var variance = Lanes(repeating: 0).addingProduct(Second.load(v), Lanes(repeating: c.beta2))
      .addingProduct(gradient * gradient, Lanes(repeating: 1 - c.beta2))
    variance.replace(with: c.varianceLimit, where: variance .> c.varianceLimit)
    let denominator = lanes_square_roots(variance * c.varianceCorrection) + c.epsilon
    let change = mean * (c.meanCorrection * c.lr) / denominator
    First.store(mean, random & 0xFFFF, to: m)
    Second.store(variance, random &>> 16, to: v)
    store(load(w) * (1 - c.decay) - change, w)
  }
}

@inline(__always) private func load(_ pointer: UnsafePointer<Float>) -> SIMD16<Float> { FP32State.load(pointer) }

@inline(__always) private func store(_ value: SIMD16<Float>, _ pointer: UnsafeMutablePointer<Float>) {
  FP32State.store(value, SIMD16(), to: pointer)
}
