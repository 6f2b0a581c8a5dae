import Kernels
import Memory
import Random

/// Where the weights and gradients of a model's blocks are. The model asks for them; it never learns how many ranks exist.
///
/// A pass over a block: `prefetch` while an earlier block is computed, `weights`, and `release` when they are not needed any
/// more in this pass. A backward pass writes `gradients` between, and ends with `backwardDone`.
package protocol ParameterStore: AnyObject {
  var table: ParameterTable { get }
  /// The block's weights are needed soon: communication for them may start.
  func prefetch(_ block: BlockID) throws
  /// The block's weights, to read until `release`. May wait for communication started earlier.
  func weights(of block: BlockID) throws -> BlockValues
  /// The pass has finished with the block's weights: their memory may be used for others.
  func release(_ block: BlockID)
  /// The block's gradient, to accumulate into until `backwardDone`. May wait for memory that other ranks still read.
  func gradients(of block: BlockID) throws -> BlockValues
  /// The block's gradient is complete on this rank: its reduction may start, and its memory is not the model's any more.
  func backwardDone(_ block: BlockID) throws
}

extension ParameterStore {
  // Most stores have all weights at all times.
  package func prefetch(_ block: BlockID) throws {}
  package func release(_ block: BlockID) {}
}

/// Weights and gradients of one process that works alone, in ordinary memory.
package final class LocalParameters: ParameterStore {
  package let table: ParameterTable
  private let weightStorage: Buffer<Float>
  private let gradientStorage: Buffer<Float>?
  private let copyStorage: Buffer<BFloat16>?
  private var hasCopy = false
  private let starts: [Int]

  /// - Parameters:
  ///   - gradients: false makes a store for inference only.
  ///   - precision: for bf16 the weights are kept in that format, too; `refreshComputeCopy` after they have changed.
  package init(_ table: ParameterTable, gradients: Bool = true, precision: Precision = .fp32) {
    self.table = table
    weightStorage = Buffer(count: table.floatCount)
    gradientStorage = gradients ? Buffer(count: table.floatCount) : nil
    copyStorage = precision == .bf16 ? Buffer(count: table.floatCount) : nil
    var start = 0
    starts = table.blocks.map { block in
      defer { start += block.count }
      return start
    }
  }

  package func weights(of block: BlockID) -> BlockValues {
    BlockValues(window(block, weightStorage), computeCopy: hasCopy ? copyStorage.map { window(block, $0) } : nil)
  }

  /// Converts the weights to bf16, if this store keeps a compute copy.
  package func refreshComputeCopy() {
    guard let copyStorage else { return }
    round(weightStorage.vector, into: copyStorage.vector)
    hasCopy = true
  }

  package func gradients(of block: BlockID) -> BlockValues {
    guard let gradientStorage else { preconditionFailure("these parameters were made without gradients") }
    return BlockValues(window(block, gradientStorage))
  }

  package func backwardDone(_ block: BlockID) {}

  package func zeroGradients() { gradientStorage?.vector.fill(0) }

  private func window<Element>(_ block: BlockID, _ storage: Buffer<Element>) -> VectorView<Element> {
    VectorView(storage.base + starts[block.index], count: table[block].count)
  }
}

extension ParameterTable {
  /// Writes the initial values of `block` into `values`. They depend on the seed and the names alone, so they are equal
  /// on all ranks, whatever their number.
  package func initialize(_ block: BlockID, into values: BlockValues, seed: UInt64) {
    for parameter in self[block].parameters { initialize(parameter, into: values[parameter], seed: seed) }
  }

  /// Writes the initial values of a parameter from value `first` on, a multiple of 16.
  package func initialize(_ parameter: Parameter, from first: Int = 0, into values: Vector, seed: UInt64) {
    switch parameter.initialization {
    case .constant(let value): values.fill(value)
    case .normal(let std):
      fillNormal(values, seed: seed, stream: fnv1a(parameter.name.utf8), std: std, from: first)
    }
  }
}
