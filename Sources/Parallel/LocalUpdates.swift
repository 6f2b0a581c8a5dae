import Layers
import MPI
import Monitoring
import Optimization

/// Nodes that train apart from each other, and become equal again at the end of each round of some steps (DiLoCo, Douillard et al.
/// 2023). Within a round a node's gradients are summed over its own ranks alone, and its weights and optimizer state are its own. What
/// all nodes have in common are the weights with which the round began, and the outer optimizer's momentum.
final class LocalUpdates {
  /// Of a round.
  let steps: Int
  let optimizer: OuterOptimizer
  /// Sums the differences between nodes, where gradients lie in other steps.
  let exchange: any GradientExchange

  /// Nil for settings without local updates. Collective over the ranks of `grid.across`.
  init?(_ settings: ExchangeSettings, _ gradients: OwnedGradients, grid: ProcessGrid, clock: PhaseClock) throws {
    guard settings.localUpdates > 0 else { return nil }
    precondition(settings.format != .powersgd, "local updates with PowerSGD")
    (steps, optimizer) = (settings.localUpdates, OuterOptimizer(settings.outer))
    exchange = try settings.make(
      gradients, across: grid.across, errors: nil,
      byteLimit: MessageWindow.byteLimit(gradients.table, ranksPerNode: grid.node.size), clock: clock)
  }
}

extension NodeParameterStore {
  /// Whether nodes train apart from each other.
  package var isLocal: Bool { local != nil }

  /// Whether a round of local updates ends after so many steps.
  package func endsRound(_ step: Int) -> Bool { local.map { step % $0.steps == 0 } ?? false }

  /// Whether all nodes have the same values in a state array.
  package func isCommon(_ array: StateArray) -> Bool { Self.isCommon(array, isLocal: isLocal) }

  static func isCommon(_ array: StateArray, isLocal: Bool) -> Bool {
    !isLocal || OuterOptimizer.state.contains(array) || array.isEMA
  }

  /// Ends a round: all nodes get the weights that the outer optimizer makes of what each has learned. Then `body` is called for all that
  /// this rank owns. Collective; all updates of the round must be done.
  package func finishRound(_ body: (ParameterPiece) -> Void) throws {
    guard let local else { preconditionFailure("nodes train together") }
    local.exchange.beginStep(isCompressing: false)
    // One block after the other, since the outer optimizer follows; what nodes send each other is little beside a round's steps.
    for block in table.blockIDs {
      clock.measure(.update) { forEachOwnedPiece(of: block, local.optimizer.difference) }
      try clock.measure(.communicate) {
        try local.exchange.start(block)
        while try !local.exchange.advance() { yieldCore() }
      }
      local.exchange.complete(block)
      clock.measure(.update) {
        forEachOwnedPiece(of: block) { piece in
          local.optimizer.update(piece, nodes: grid.nodeCount)
          body(piece)
        }
      }
    }
    try finishUpdate()
  }
}
