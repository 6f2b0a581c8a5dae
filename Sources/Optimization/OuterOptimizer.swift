import Layers
import Memory

/// Settings of the outer optimizer: section `parallel.outer`. The defaults are those of DiLoCo (Douillard et al. 2023).
package struct OuterConfig: Codable, Sendable, Equatable {
  package var lr = 0.7
  package var momentum = 0.9

  package init() {}
}

/// How weights that nodes have in common follow from what each of them has learned in a round of updates of its own: SGD with Nesterov
/// momentum, whose gradient is the mean of the changes that the nodes made, with the sign of a gradient.
package struct OuterOptimizer: Sendable {
  /// The weights with which all nodes began the round.
  package static let weights = StateArray("outer_weights", initialValue: .weights)
  package static let momentum = StateArray("outer_momentum")
  /// The arrays that it keeps.
  package static let state = [weights, momentum]

  private let lr: Float
  private let momentum: Float

  package init(_ config: OuterConfig) { (lr, momentum) = (Float(config.lr), Float(config.momentum)) }

  /// `gradient = outer weights - weights`: what this node has learned.
  package func difference(_ piece: ParameterPiece) {
    let (outer, weights, gradient) = (piece.values(Self.weights).base, piece.weights.base, piece.gradient.base)
    for i in 0..<piece.count { gradient[i] = outer[i] - weights[i] }
  }

  /// With the sum of all nodes' differences as the piece's gradient: v = momentum · v + mean, outer weights -= lr · (mean + momentum · v).
  /// The weights become the outer weights.
  package func update(_ piece: ParameterPiece, nodes: Int) {
    let (outer, weights, gradient) = (piece.values(Self.weights).base, piece.weights.base, piece.gradient.base)
    let velocity = piece.values(Self.momentum).base
    let share = 1 / Float(nodes)
    for i in 0..<piece.count {
      let mean = gradient[i] * share
      let speed = momentum * velocity[i] + mean
      let value = outer[i] - lr * (mean + momentum * speed)
      (velocity[i], outer[i], weights[i]) = (speed, value, value)
    }
  }
}
