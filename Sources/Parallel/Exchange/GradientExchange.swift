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
  /// Whether a node gets the sums of those rows alone whose state it keeps.
  var isScattered: Bool { get }
  /// Lets sums advance, without waiting; true when all that were started are complete.
  func advance() throws -> Bool
  /// Sum of the squares of the gradients of a block, summed over the nodes: of the rows that this rank has the sums of.
  func sumOfSquares(_ block: BlockID) -> Double
  /// Of the same rows.
  func isFinite(_ block: BlockID) -> Bool
  /// Puts the sum of a block where it is asked for. A step that is not applied has changed nothing that outlives it.
  func complete(_ block: BlockID)
  /// Brings what nodes keep apart from each other to the first node, where a checkpoint takes it. Collective.
  func settle() throws
}

extension GradientExchange {
  // Most sum in place, at once, and keep nothing.
  package var isScattered: Bool { false }
  package func beginStep(isCompressing: Bool) {}
  package func sumOfSquares(_ block: BlockID) -> Double {
    summedRanges(of: block).reduce(0) { $0 + Kernels.sumOfSquares(gradients.vector(block, $1)) }
  }
  package func isFinite(_ block: BlockID) -> Bool {
    summedRanges(of: block).allSatisfy { gradients.vector(block, $0).isFinite }
  }
  private func summedRanges(of block: BlockID) -> [Range<Int>] {
    isScattered ? gradients.keptRanges(of: block) : gradients.ranges(of: block)
  }
  package func complete(_ block: BlockID) {}
  package func settle() throws {}
}

/// What travels between nodes, as a configuration names it.
package enum ExchangeFormat: String, Codable, Sendable, CaseIterable {
  case fp32, bf16, powersgd
}

/// Where weights and the state of the optimizer are kept, as a configuration names it.
package enum ShardLayout: String, Codable, Sendable, CaseIterable {
  /// Every node has all.
  case node
  /// They are spread over the ranks of all nodes; of the weights every node has what models read, too.
  case world

  /// Over how many of the job's nodes.
  package func spread(over nodes: Int) -> Int { self == .world ? nodes : 1 }
}

/// How nodes exchange gradients, and what each keeps.
package struct ExchangeSettings: Sendable {
  package var format: ExchangeFormat
  package var shard: ShardLayout
  package var powersgd: PowerSGDConfig
  /// Decides the random numbers of PowerSGD.
  package var seed: UInt64
  /// Steps that nodes train apart from each other before they exchange what they have learned (`LocalUpdates`); 0 for gradients that are
  /// summed in every step.
  package var localUpdates = 0
  /// For local updates.
  package var outer = OuterConfig()

  package init(
    _ format: ExchangeFormat = .fp32, shard: ShardLayout = .node, powersgd: PowerSGDConfig = PowerSGDConfig(), seed: UInt64 = 0
  ) {
    (self.format, self.shard, self.powersgd, self.seed) = (format, shard, powersgd, seed)
  }

  /// The arrays that the exchange keeps beside the weights.
  package var state: [StateArray] {
    (format == .powersgd ? [PowerSGDExchange.errors] : []) + (localUpdates > 0 ? OuterOptimizer.state : [])
  }

  /// Collective over the ranks of `across`.
  ///
  /// - Parameters:
  ///   - errors: the array of `state`.
  ///   - byteLimit: of the sums in fp32 that are under way at a time.
  func make(
    _ gradients: OwnedGradients, across: Communicator, errors: NodeArray<Float>?, byteLimit: Int, clock: PhaseClock
  ) throws -> any GradientExchange {
    let isSpread = gradients.partition.nodes > 1
    return switch format {
    case .fp32 where isSpread: try ScatteredExchange(gradients, across: across, byteLimit: byteLimit)
    case .fp32: try SumExchange(gradients, across: across, byteLimit: byteLimit)
    case .bf16 where isSpread: try RoundedScatteredExchange(gradients, across: across, clock: clock)
    case .bf16: try RoundedExchange(gradients, across: across, clock: clock)
    // Low-rank factors of whole matrices travel, whoever keeps which rows.
    case .powersgd:
      try PowerSGDExchange(
        gradients, across: across, errors: errors!, powersgd, seed: seed, byteLimit: byteLimit, clock: clock)
    }
  }
}
