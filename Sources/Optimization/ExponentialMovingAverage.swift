import CLanes
import Foundation
import Kernels
import Layers
import Memory
import Random

/// What the EMA is kept in. In bf16 it is rounded to one of the two neighbors at random, as moments of 16 bits are: rounded to the nearest,
/// it would not follow weights that change little.
package enum EMAFormat: String, Codable, Sendable, CaseIterable {
  case fp32, bf16

  var elementType: StateArray.ElementType { self == .fp32 ? .fp32 : .bf16 }
}

/// The exponential moving average of the weights (EMA), with which validation is done and images are generated (appendix B.2:
/// exponentially weighted iterate averaging).
package struct ExponentialMovingAverage: Sendable {
  fileprivate static let name = "ema"

  private let array: StateArray
  /// 0 for no average.
  private let every: Int
  private let decay: Float

  /// - Parameters:
  ///   - every: updates between two additions to the average; 0 for none, which needs no memory.
  ///   - decay: `ema = decay · ema + (1 - decay) · weights`.
  package init(every: Int, decay: Double, format: EMAFormat = .fp32) {
    (self.every, self.decay) = (every, Float(decay))
    array = StateArray(Self.name, format.elementType, initialValue: .weights)
  }

  /// The arrays that it keeps.
  package var state: [StateArray] { every > 0 ? [array] : [] }

  /// Whether update number `number`, from 1, is added.
  package func includes(_ number: Int) -> Bool { every > 0 && number % every == 0 }

  /// Adds the piece's weights, which update number `number` has changed.
  package func update(_ piece: ParameterPiece, number: Int) {
    if includes(number) { add(piece, keeping: decay, number: number) }
  }

  /// Adds the piece's weights as often as is due in a round of updates, which has made them.
  ///
  /// - Parameter updates: as many as were done before the round, up to as many as after it.
  package func update(_ piece: ParameterPiece, after updates: Range<Int>) {
    let additions = every == 0 ? 0 : updates.upperBound / every - updates.lowerBound / every
    if additions > 0 { add(piece, keeping: pow(decay, Float(additions)), number: updates.upperBound) }
  }

  private func add(_ piece: ParameterPiece, keeping share: Float, number: Int) {
    if array.elementType == .fp32 {
      interpolate(piece.values(array), towards: piece.weights, keeping: share)
    } else {
      addRounded(piece, keeping: share, number: number)
    }
  }

  /// The random numbers follow from the update and a value's place in its block, so that they do not depend on who computes.
  private func addRounded(_ piece: ParameterPiece, keeping share: Float, number: Int) {
    // AdamW's have the first two words.
    let hash = fnv1a([UInt64(number), UInt64(piece.parameter.block.index), 1])
    let key = UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    let first = UInt32(truncatingIfNeeded: piece.range.lowerBound)
    func add(_ weights: UnsafePointer<Float>, to average: UnsafeMutablePointer<UInt16>, at i: Int) {
      let value = BF16State.load(average) * share + FP32State.load(weights) * (1 - share)
      BF16State.store(value, lanes_hashes(first &+ UInt32(truncatingIfNeeded: i), key) & 0xFFFF, to: average)
    }
    let (weights, average) = (piece.weights.base, piece.base(array, of: UInt16.self))
    let whole = piece.count / 16 * 16
    for i in stride(from: 0, to: whole, by: 16) { add(weights + i, to: average + i, at: i) }
    let rest = piece.count - whole
    guard rest > 0 else { return }
    // The rest goes through full vectors beside the arrays.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) { numbers in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 16) { averages in
        let (numbers, averages) = (numbers.baseAddress!, averages.baseAddress!)
        numbers.initialize(repeating: 0, count: 16)
        averages.initialize(repeating: 0, count: 16)
        numbers.update(from: weights + whole, count: rest)
        averages.update(from: average + whole, count: rest)
        add(numbers, to: averages, at: whole)
        (average + whole).update(from: averages, count: rest)
      }
    }
  }
}

extension StateArray {
  /// Whether it is the EMA, in whichever format.
  package var isEMA: Bool { name == ExponentialMovingAverage.name }
}
