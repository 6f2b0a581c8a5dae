import Kernels
import Memory

/// A copy of a model's weights for cached steps: matrices are packed as these read them, in the format in which they multiply.
///
/// Made once, it serves any number of sampling sessions, and needs the store it is made from no more.
package final class PackedWeights: ParameterStore {
  package let table: ParameterTable
  /// Of the GEMMs' operands.
  package let precision: Precision
  private let blocks: [BlockValues]
  private let arena: Arena

  /// - Parameter store: keeps weights in `precision`.
  package init(_ store: any ParameterStore, _ precision: Precision) throws {
    (table, self.precision) = (store.table, precision)
    switch precision {
    case .fp32: (arena, blocks) = try Self.pack(store, Float.self)
    case .bf16: (arena, blocks) = try Self.pack(store, BFloat16.self)
    }
  }

  private static func pack<Element: Scalar>(
    _ store: any ParameterStore, _: Element.Type
  ) throws -> (Arena, [BlockValues]) {
    let table = store.table
    let (arena, blocks) = Arena.layOut { space in
      table.blocks.map { block in
        // Embeddings are read row by row, as they lie.
        block.parameters.contains(where: \.role.isOperand)
          ? BlockValues(PackedBlock<Element>(block, in: &space)) : BlockValues(space.vector(block.count))
      }
    }
    let walk = try BlockWalk(store, table.blockIDs)
    for id in table.blockIDs {
      try walk.forward(id) { w in for parameter in table[id].parameters { blocks[id.index].take(parameter, from: w) } }
    }
    return (arena, blocks)
  }

  package func weights(of block: BlockID) -> BlockValues { blocks[block.index] }
  package func gradients(of block: BlockID) -> BlockValues { preconditionFailure("packed weights have no gradients") }
  package func backwardDone(_ block: BlockID) { preconditionFailure("packed weights have no gradients") }
}

/// The parameters of a block, by their offsets: those that are operands of GEMMs packed, the others in fp32.
struct PackedBlock<Element: Scalar> {
  private var vectors: [Int: Vector] = [:]
  private var matrices: [Int: PackedMatrix<Element>] = [:]

  init(_ block: ParameterTable.Block, in space: inout Space) {
    for parameter in block.parameters {
      if parameter.role.isOperand {
        matrices[parameter.offset] = PackedMatrix(rows: parameter.valuesPerRow, columns: parameter.rows, in: &space)
      } else {
        vectors[parameter.offset] = space.vector(parameter.count)
      }
    }
  }

  func take(_ parameter: Parameter, from weights: BlockValues) {
    vectors[parameter.offset]?.copy(from: weights[parameter])
    matrices[parameter.offset]?.pack(weights.operand(parameter), transposed: true)
  }

  func vector(_ parameter: Parameter) -> Vector { vectors[parameter.offset]! }
  func matrix(_ parameter: Parameter) -> PackedMatrix<Element> { matrices[parameter.offset]! }
}
