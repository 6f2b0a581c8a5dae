import Layers
import Monitoring

/// Weights to validate and to sample with, which nobody gets any more once a stop is requested: such work is left out, whatever the
/// model, so that the checkpoint is not late.
final class StoppableStore: ParameterStore {
  private let store: any ParameterStore
  private let stop: StopRequest

  init(_ store: any ParameterStore, _ stop: StopRequest) { (self.store, self.stop) = (store, stop) }

  var table: ParameterTable { store.table }
  func prefetch(_ block: BlockID) throws { try store.prefetch(block) }
  func release(_ block: BlockID) { store.release(block) }
  func gradients(of block: BlockID) throws -> BlockValues { try store.gradients(of: block) }
  func backwardDone(_ block: BlockID) throws { try store.backwardDone(block) }

  /// - Throws: `DalleError` of kind `stopped`.
  func weights(of block: BlockID) throws -> BlockValues {
    try stop.check()
    return try store.weights(of: block)
  }
}
