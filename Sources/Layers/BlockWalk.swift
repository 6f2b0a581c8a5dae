/// One pass over a model's blocks in a known order: prefetches the next block before one is used, and releases a block after it.
///
/// The only place in which models ask a `ParameterStore` for numbers. A pass uses every block of its order once.
package final class BlockWalk {
  private let store: any ParameterStore
  private let order: [BlockID]
  private var next = 0

  /// Starts a pass that needs the weights of `order`, in this order. Prefetches the first block.
  package init(_ store: any ParameterStore, _ order: [BlockID]) throws {
    (self.store, self.order) = (store, order)
    if let first = order.first { try store.prefetch(first) }
  }

  /// Forward: hands the block's weights to `body`, which must not keep them.
  package func forward<Result>(_ block: BlockID, _ body: (_ weights: BlockValues) throws -> Result) throws -> Result {
    precondition(
      next < order.count && order[next] == block, "block \(block.index) is used out of the pass's order, at \(next)")
    next += 1
    let following = next < order.count ? order[next] : nil
    if let following, following != block { try store.prefetch(following) }
    let weights = try store.weights(of: block)
    let result: Result
    do {
      defer { store.release(block) }
      result = try body(weights)
    }
    // A block that is used twice in a row is prefetched again after its first use.
    if following == block { try store.prefetch(block) }
    return result
  }

  /// Backward: hands the block's weights and gradient to `body`, which adds to the gradient; then the gradient is done.
  package func backward<Result>(
    _ block: BlockID, _ body: (_ weights: BlockValues, _ gradients: BlockValues) throws -> Result
  ) throws -> Result {
    let result = try forward(block) { try body($0, store.gradients(of: block)) }
    try store.backwardDone(block)
    return result
  }

  /// Backward of a block that needs no weights for it, such as an embedding: not part of the pass's order.
  package func backward(withoutWeights block: BlockID, _ body: (_ gradients: BlockValues) throws -> Void) throws {
    try body(store.gradients(of: block))
    try store.backwardDone(block)
  }
}
