import Kernels
import Layers
import Memory

/// The exponential moving average of the weights (EMA), with which validation is done and images are generated (appendix B.2:
/// exponentially weighted iterate averaging).
package struct ExponentialMovingAverage: Sendable {
  package static let state = StateArray("ema", initialValue: .weights)

  private let every: Int
  private let decay: Float

  /// - Parameters:
  ///   - every: updates between two additions to the average.
  ///   - decay: `ema = decay · ema + (1 - decay) · weights`.
  package init(every: Int, decay: Double) { (self.every, self.decay) = (every, Float(decay)) }

  /// Whether update number `number`, from 1, is added.
  package func includes(_ number: Int) -> Bool { number % every == 0 }

  /// Adds the piece's weights, which update number `number` has changed.
  package func update(_ piece: ParameterPiece, number: Int) {
    guard includes(number) else { return }
    interpolate(piece.values(Self.state), towards: piece.weights, keeping: decay)
  }
}
