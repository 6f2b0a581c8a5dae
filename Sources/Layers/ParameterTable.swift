/// A group of parameters whose gradient is finished, reduced and updated together: a residual block, or the embeddings.
package struct BlockID: Hashable, Comparable, Sendable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (a: BlockID, b: BlockID) -> Bool { a.index < b.index }
}

/// What a parameter is for. Optimizers decide by role (weight decay: matrices only), never by position or name.
package enum ParameterRole: String, Sendable, Codable {
  case matrix  // of GEMMs and convolutions
  case normWeight, bias, embedding, head

  /// Whether GEMMs and convolutions multiply with it.
  package var isOperand: Bool { self == .matrix || self == .head }
}

/// How a parameter is initialized.
package enum Initialization: Sendable, Equatable {
  case constant(Float)
  case normal(std: Float)
}

/// One named array of a model.
package struct Parameter: Sendable {
  /// Name as in the files, PyTorch style: `blocks.3.mlp.up.weight`.
  package let name: String
  /// PyTorch order: `[out, in]`, `[out, in, kh, kw]`.
  package let shape: [Int]
  package let role: ParameterRole
  package let initialization: Initialization
  package let block: BlockID
  /// Its offset in its block, in floats; a multiple of 16, so that it begins on a cache line.
  package let offset: Int
  /// Number of floats.
  package let count: Int

  /// Whether models read it in fp32, whatever they compute in: GEMMs alone take operands in bf16, convolutions convert their kernels.
  package var isReadInFP32: Bool { !role.isOperand || shape.count > 2 }
  /// Extent of the first axis.
  package var rows: Int { shape.first ?? 1 }
  /// Floats of a row: all axes but the first.
  package var valuesPerRow: Int { rows == 0 ? 0 : count / rows }
}

/// Every parameter of a model, by block. Made once from a model's configuration; the same table addresses weights,
/// gradients, optimizer state and EMA, which all have the same layout.
package struct ParameterTable: Sendable {
  package struct Block: Sendable {
    package let name: String
    public fileprivate(set) var parameters: [Parameter] = []
    /// Floats of the block, padded to a multiple of 16. The padding stays zero.
    public fileprivate(set) var count = 0
  }

  package private(set) var blocks: [Block] = []
  /// Of all parameters.
  private var names: Set<String> = []

  package init() {}

  package mutating func addBlock(_ name: String) -> BlockID {
    blocks.append(Block(name: name))
    return BlockID(blocks.count - 1)
  }

  /// Adds a parameter at the end of `block` and returns its address.
  package mutating func add(
    _ name: String, _ shape: [Int], _ role: ParameterRole, _ initialization: Initialization, to block: BlockID
  ) -> Parameter {
    precondition(names.insert(name).inserted, "two parameters are named \(name)")
    let parameter = Parameter(
      name: name, shape: shape, role: role, initialization: initialization, block: block,
      offset: blocks[block.index].count, count: shape.reduce(1, *))
    blocks[block.index].parameters.append(parameter)
    blocks[block.index].count = (parameter.offset + parameter.count + 15) & ~15
    return parameter
  }

  package subscript(block: BlockID) -> Block { blocks[block.index] }

  package var blockIDs: [BlockID] { blocks.indices.map { BlockID($0) } }
  package var parameters: [Parameter] { blocks.flatMap(\.parameters) }
  /// Number of trained values, without padding.
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }
  /// Floats of all blocks with padding: what one copy of the model takes.
  package var floatCount: Int { blocks.reduce(0) { $0 + $1.count } }
}
