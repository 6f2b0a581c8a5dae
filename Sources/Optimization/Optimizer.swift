import Layers
import Memory

/// An array that training keeps beside the weights: one value for each parameter value, named as in checkpoints.
package struct StateArray: Sendable, Hashable {
  package enum ElementType: String, Sendable, Hashable {
    case fp32, bf16
    /// The paper's 16-bit formats (appendix B.2): bits of sign, exponent and significand. The exponent's bias is 60.
    case float169 = "1-6-9"
    case float610 = "0-6-10"
    /// Bytes of an element.
    package var size: Int { self == .fp32 ? 4 : 2 }
  }
  package enum InitialValue: Sendable, Hashable {
    case zero
    /// The weights, as they are before the first update.
    case weights
  }

  package enum Placement: Sendable, Hashable {
    /// All nodes have the same values.
    case replicated
    /// Each node has values of its own, of which the sum counts. Checkpoints have the sum; the first node gets it, and the others 0.
    case summed
  }

  package let name: String
  package let elementType: ElementType
  package let initialValue: InitialValue
  package let placement: Placement

  package init(
    _ name: String, _ elementType: ElementType = .fp32, initialValue: InitialValue = .zero, placement: Placement = .replicated
  ) {
    (self.name, self.elementType, self.initialValue, self.placement) = (name, elementType, initialValue, placement)
  }
}

/// How finely a parameter may be cut for ranks to update parts of it.
package enum UpdateGranularity: Sendable {
  /// Any rows (indices of the first axis): the update of a value depends on that value alone, or on its row.
  case rows
  /// Not at all: the update needs the whole array, as that of a matrix by its singular values does.
  case whole
}

/// What an optimizer knows of an update beside the numbers: the same on all ranks.
package struct UpdateContext: Sendable {
  /// Number of the update, from 1.
  package let number: Int
  /// Learning rate.
  package let lr: Double
  /// Norm of the whole gradient, before clipping.
  package let gradientNorm: Double

  package init(number: Int, lr: Double, gradientNorm: Double) {
    precondition(number >= 1, "update number \(number)")
    (self.number, self.lr, self.gradientNorm) = (number, lr, gradientNorm)
  }
}

/// How weights follow from gradients. It declares the arrays that it keeps; who uses it allocates them, saves them by name, and
/// calls `update` for every part of every parameter, each on the rank that owns it.
package protocol Optimizer: Sendable {
  /// The arrays that it keeps.
  var state: [StateArray] { get }
  /// The largest part of `parameter` that must stay together.
  func granularity(of parameter: Parameter) -> UpdateGranularity
  /// Updates weights and state of one piece.
  func update(_ piece: ParameterPiece, _ context: UpdateContext)
}

extension Optimizer {
  package func granularity(of parameter: Parameter) -> UpdateGranularity { .rows }
}

/// Some rows of a parameter with all that belongs to them. Every array has `count` values, row after row.
package struct ParameterPiece {
  package let parameter: Parameter
  /// Indices of the first axis.
  package let rows: Range<Int>
  package let weights: Vector
  /// The weights that matmuls read, where they are kept in bf16, too.
  package let computeCopy: VectorView<BFloat16>?
  /// Summed over all ranks.
  package let gradient: Vector
  private let arrays: [StateArray: UnsafeMutableRawPointer]
  /// Values of these rows that come before `weights` in `arrays`.
  private let start: Int

  /// - Parameter arrays: where the values of `rows` begin in each array.
  package init(
    _ parameter: Parameter, rows: Range<Int>, weights: Vector, computeCopy: VectorView<BFloat16>?, gradient: Vector,
    arrays: [StateArray: UnsafeMutableRawPointer]
  ) {
    self.init(parameter, rows, weights, computeCopy, gradient, arrays, start: 0)
  }

  private init(
    _ parameter: Parameter, _ rows: Range<Int>, _ weights: Vector, _ computeCopy: VectorView<BFloat16>?, _ gradient: Vector,
    _ arrays: [StateArray: UnsafeMutableRawPointer], start: Int
  ) {
    precondition(
      weights.count == rows.count * parameter.valuesPerRow && gradient.count == weights.count
        && computeCopy?.count ?? weights.count == weights.count, "rows \(rows) of \(parameter.name) with arrays of other lengths")
    (self.parameter, self.rows, self.weights, self.computeCopy) = (parameter, rows, weights, computeCopy)
    (self.gradient, self.arrays, self.start) = (gradient, arrays, start)
  }

  package var count: Int { weights.count }

  /// The same rows as floats of the parameter's block.
  package var range: Range<Int> {
    let first = parameter.offset + rows.lowerBound * parameter.valuesPerRow
    return first..<first + count
  }

  /// One of the declared arrays, in fp32.
  package func values(_ array: StateArray) -> Vector { view(array, .fp32) }

  /// One of the declared arrays, in bf16.
  package func bf16Values(_ array: StateArray) -> VectorView<BFloat16> { view(array, .bf16) }

  /// The values of one of the declared arrays, as they lie in memory.
  func base<Element: BitwiseCopyable>(_ array: StateArray, of _: Element.Type) -> UnsafeMutablePointer<Element> {
    guard array.elementType.size == MemoryLayout<Element>.stride, let base = arrays[array] else {
      preconditionFailure("the optimizer's state has no array `\(array.name)` of \(MemoryLayout<Element>.stride) bytes a value")
    }
    return base.assumingMemoryBound(to: Element.self) + start
  }

  private func view<Element>(_ array: StateArray, _ type: StateArray.ElementType) -> VectorView<Element> {
    guard array.elementType == type, let base = arrays[array] else {
      preconditionFailure("the optimizer's state has no \(type.rawValue) array `\(array.name)`")
    }
    return VectorView(base.assumingMemoryBound(to: Element.self) + start, count: count)
  }

  /// Calls `body` for parts of about `count` values, whole rows each: small enough to stay in a core's cache while several passes
  /// go over it.
  package func forEachChunk(of count: Int, _ body: (ParameterPiece) -> Void) {
    let step = max(1, count / parameter.valuesPerRow)
    for first in stride(from: 0, to: rows.count, by: step) {
      let part = first..<min(first + step, rows.count)
      let values = part.lowerBound * parameter.valuesPerRow..<part.upperBound * parameter.valuesPerRow
      body(
        ParameterPiece(
          parameter, rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound, weights[values],
          computeCopy?[values], gradient[values], arrays, start: start + values.lowerBound))
    }
  }
}
