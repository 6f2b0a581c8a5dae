import Layers
import Memory
import Optimization

/// Stochastic gradient descent with momentum: `v = 0.9 v + g`, `w = w - lr v`. Its velocity is an array of fp32 or bf16.
struct Momentum: Optimizer {
  static let decay: Float = 0.9
  private let velocity: StateArray

  init(_ elementType: StateArray.ElementType) { velocity = StateArray("velocity", elementType) }

  var state: [StateArray] { [velocity] }

  func update(_ piece: ParameterPiece, _ context: UpdateContext) {
    let lr = Float(context.lr)
    switch velocity.elementType {
    case .fp32:
      let v = piece.values(velocity)
      for i in 0..<piece.count {
        v[i] = Self.decay * v[i] + piece.gradient[i]
        piece.weights[i] -= lr * v[i]
      }
    case .bf16:
      let v = piece.bf16Values(velocity)
      for i in 0..<piece.count {
        v[i] = BFloat16(Self.decay * v[i].float + piece.gradient[i])
        piece.weights[i] -= lr * v[i].float
      }
    case .float169, .float610: preconditionFailure("a velocity in \(velocity.elementType.rawValue)")
    }
  }
}
