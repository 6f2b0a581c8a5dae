import Kernels
import Memory

/// One value for each parameter of a block: its weights, its gradient, a moment.
package struct BlockValues {
  private let storage: Storage

  private enum Storage {
    /// All values, one parameter after the other; and the compute copy, the same in bf16, where the store keeps one.
    case flat(Vector, computeCopy: VectorView<BFloat16>?)
    case packed(PackedBlock<Float>)
    case packedBF16(PackedBlock<BFloat16>)
  }

  package init(_ values: Vector, computeCopy: VectorView<BFloat16>? = nil) { storage = .flat(values, computeCopy: computeCopy) }

  init<Element>(_ block: PackedBlock<Element>) {
    switch block {
    case let block as PackedBlock<Float>: storage = .packed(block)
    case let block as PackedBlock<BFloat16>: storage = .packedBF16(block)
    default: preconditionFailure("packed weights in \(Element.self)")
    }
  }

  /// All values of the block, which is not packed.
  package var values: Vector {
    guard case .flat(let values, _) = storage else { preconditionFailure("packed weights are no vector") }
    return values
  }

  /// A parameter as a flat vector; of a packed block, one that is no matrix.
  package subscript(_ parameter: Parameter) -> Vector {
    switch storage {
    case .flat(let values, _): values[parameter.offset..<parameter.offset + parameter.count]
    case .packed(let block): block.vector(parameter)
    case .packedBF16(let block): block.vector(parameter)
    }
  }

  /// A parameter as a matrix: first axis by all the others.
  package func matrix(_ parameter: Parameter) -> Matrix {
    self[parameter].matrix(rows: parameter.rows, columns: parameter.valuesPerRow)
  }

  /// The same as an operand of GEMMs, in a format that the store keeps.
  package func operand<Element: Scalar>(_ parameter: Parameter) -> MatrixView<Element> {
    if let matrix = matrix(parameter) as? MatrixView<Element> { return matrix }
    guard case .flat(_, let copy?) = storage, let copy = copy as? VectorView<Element> else {
      preconditionFailure("the store keeps no weights in \(Element.self)")
    }
    return copy[parameter.offset..<parameter.offset + parameter.count]
      .matrix(rows: parameter.rows, columns: parameter.valuesPerRow)
  }

  /// Takes a parameter's values from a block that is not packed.
  func take(_ parameter: Parameter, from other: BlockValues) {
    switch storage {
    case .flat: self[parameter].copy(from: other[parameter])
    case .packed(let block): block.take(parameter, from: other)
    case .packedBF16(let block): block.take(parameter, from: other)
    }
  }

  /// y (+)= x · weightᵀ (+ bias) (+ residual): a linear layer for the rows of x. With packed weights, a row's numbers do not depend
  /// on the other rows.
  package func linear<Element: Scalar, Result: Scalar>(
    _ x: MatrixView<Element>, _ weight: Parameter, bias: Parameter? = nil, into y: MatrixView<Result>,
    _ destination: Destination = .overwrite, residual: Matrix? = nil
  ) {
    let bias = bias.map { self[$0] }
    func multiply(_ weights: some Any) {
      guard let weights = weights as? PackedMatrix<Element> else { preconditionFailure("no weights packed in \(Element.self)") }
      matmul(x, weights, into: y, destination, bias: bias, residual: residual)
    }
    switch storage {
    case .flat: matmul(x, operand(weight), transposing: .second, into: y, destination, bias: bias, residual: residual)
    case .packed(let block): multiply(block.matrix(weight))
    case .packedBF16(let block): multiply(block.matrix(weight))
    }
  }
}
