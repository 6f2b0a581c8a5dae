import Foundation
import Kernels
import Layers
import Memory

/// The exponential moving average of the weights (EMA), with which validation is done and images are generated (appendix B.2:
/// exponentially weighted iterate averaging).
package struct ExponentialMovingAverage: Sendable {
  package static let state = StateArray("ema", initialValue: .weights)

  /// 0 for no average.
  private let every: Int
  private let decay: Float

  /// - Parameters:
  ///   - every: updates between two additions to the average; 0 for none, which needs no memory.
  ///   - decay: `ema = decay · ema + (1 - decay) · weights`.
  package init(every: Int, decay: Double) { (self.every, self.decay) = (every, Float(decay)) }

  /// The arrays that it keeps.
  package var state: [StateArray] { every > 0 ? [Self.state] : [] }

  /// Whether update number `number`, from 1, is added.
  package func includes(_ number: Int) -> Bool { every > 0 && number % every == 0 }

  /// Adds the piece's weights, which update number `number` has changed.
  package func update(_ piece: ParameterPiece, number: Int) {
    guard includes(number) else { return }
    interpolate(piece.values(Self.state), towards: piece.weights, keeping: decay)
  }

  /// Adds the piece's weights as often as is due in a round of updates, which has made them.
  ///
  /// - Parameter updates: as many as were done before the round, up to as many as after it.
  package func update(_ piece: ParameterPiece, after updates: Range<Int>) {
    let additions = every == 0 ? 0 : updates.upperBound / every - updates.lowerBound / every
    guard additions > 0 else { return }
    interpolate(piece.values(Self.state), towards: piece.weights, keeping: pow(decay, Float(additions)))
  }
}
