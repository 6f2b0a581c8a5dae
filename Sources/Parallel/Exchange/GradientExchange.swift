import Kernels
import Layers
import MPI
import Memory
import Monitoring
import Optimization

/// How nodes sum their gradients: each rank those of the rows that it owns, with the owners of the same rows on the other nodes.
///
/// A step: `beginStep`; `start` for each block, in the same order on all nodes, as soon as the node's gradient of it is complete, and
/// `advance` now and then, until it is true; then the norm; then `complete` for each block, if the update is applied. All nodes get the
/// same bits, whatever their CPUs and threads, because their weights must stay equal.
package protocol GradientExchange: AnyObject {
  /// The node's gradients at first, the sums over all nodes at the end.
  var gradients: OwnedGradients { get }
  /// - Parameter isCompressing: false asks for sums as exact as in fp32, of an exchange that can choose.
  func beginStep(isCompressing: Bool)
  func start(_ block: BlockID) throws
  /// Lets sums advance, without waiting; true when all that were started are complete.
  func advance() throws -> Bool
  /// Sum of the squares of the owned gradients of a block, summed over the nodes.
  func sumOfSquares(_ block: BlockID) -> Double
  func isFinite(_ block: BlockID) -> Bool
  /// Puts the sum of a block where it is asked for. A step that is not applied has changed nothing that outlives it.
  func complete(_ block: BlockID)
  /// Brings what nodes keep apart from each other to the first node, where a checkpoint takes it. Collective.
  func settle() throws
}

extension GradientExchange {
  // Most sum in place, at once, and keep nothing.
  package func beginStep(isCompressing: Bool) {}
  package func sumOfSquares(_ block: BlockID) -> Double {
    gradients.ranges(of: block).reduce(0) { $0 + Kernels.sumOfSquares(gradients.vector(block, $1)) }
  }
  package func isFinite(_ block: BlockID) -> Bool {
    gradients.ranges(of: block).allSatisfy { gradients.vector(block, $0).isFinite }
  }
  package func complete(_ block: BlockID) {}
  package func settle() throws {}
}

/// What travels between nodes, as a configuration names it.
package enum ExchangeFormat: String, Codable, Sendable, CaseIterable {
  case fp32, bf16, powersgd
}

/// How nodes exchange gradients.
package struct ExchangeSettings: Sendable {
  package var format: ExchangeFormat
  package var powersgd: PowerSGDConfig
  /// Decides the random numbers of PowerSGD.
  package var seed: UInt64
  /// Steps that nodes train apart from each other before they exchange what they have learned (`LocalUpdates`); 0 for gradients that are
  /// summed in every step.
  package var localUpdates = 0
  /// For local updates.
  package var outer = OuterConfig()

  package init(_ format: ExchangeFormat = .fp32, powersgd: PowerSGDConfig = PowerSGDConfig(), seed: UInt64 = 0) {
    (self.format, self.powersgd, self.seed) = (format, powersgd, seed)
  }

  /// The arrays that the exchange keeps beside the weights.
  package var state: [StateArray] {
    (format == .powersgd ? [PowerSGDExchange.errors] : []) + (localUpdates > 0 ? OuterOptimizer.state : [])
  }

  /// Collective over the ranks of `across`.
  ///
  /// - Parameter errors: the array of `state`.
  func make(
    _ gradients: OwnedGradients, across: Communicator, errors: NodeArray<Float>?, clock: PhaseClock
  ) throws -> any GradientExchange {
    switch format {
    case .fp32: try SumExchange(gradients, across: across)
    case .bf16: try RoundedExchange(gradients, across: across, clock: clock)
    case .powersgd:
      try PowerSGDExchange(
        gradients, across: across, errors: errors!, powersgd, seed: seed, clock: clock)
    }
  }
}
