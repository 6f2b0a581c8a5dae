import Kernels
import Layers
import MPI
import Memory
import Monitoring
import Optimization

/// Sums between nodes of gradients that are compressed to low rank (PowerSGD, Vogels et al. 2019), as the published transformer was
/// trained (section 2.5 and appendix E).
///
/// Each rank compresses the rows of matrices that it owns. With M, the node's gradient plus what earlier steps did not apply: P = M Q,
/// summed over the nodes, its columns made orthonormal; then Q = Mᵀ P, summed. The sum of all M is applied as P Qᵀ, and each node keeps
/// M - P (Mᵀ P)ᵀ for the next step. Summed over the nodes, that is what was accumulated and not applied. A step begins with a Q of random
/// numbers, the same in all steps, or with that of the step before.
final class PowerSGDExchange: GradientExchange {
  /// What a node's gradients have that was not applied yet.
  static let errors = StateArray("exchange_error", placement: .summed)

  let gradients: OwnedGradients
  private let errors: NodeArray<Float>
  private let across: Communicator
  private let exact: SumExchange
  /// One group for each round: calls have the same order on all nodes within a group, not between them.
  private let firstRound, secondRound: MessageWindow
  private let config: PowerSGDConfig
  private let seed: UInt64
  private let clock: PhaseClock
  /// Nil for blocks that are sent as they are.
  private let blocks: [CompressedBlock?]
  private let scratch: [[LowRankFactors.Scratch]]
  private let arena: Arena

  private var isCompressing = false
  /// Compressed blocks that were started, in order. The second round of the first `advanced` has begun.
  private var started: [CompressedBlock] = []
  private var advanced = 0
  /// Whether a block's errors are still to be replaced in this step.
  private var isPending: [Bool]

  /// Collective over the ranks of `across`.
  ///
  /// - Parameters:
  ///   - errors: the node's, for `PowerSGDExchange.errors`.
  ///   - seed: of the random numbers.
  ///   - byteLimit: of the sums that are under way at a time: of P, of Q, and of what is not compressed.
  init(
    _ gradients: OwnedGradients, across: Communicator, errors: NodeArray<Float>, _ config: PowerSGDConfig, seed: UInt64,
    byteLimit: Int, clock: PhaseClock
  ) throws {
    (self.gradients, self.across, self.errors, self.clock) = (gradients, across, errors, clock)
    (self.config, self.seed) = (config, seed)
    exact = try SumExchange(gradients, across: across, byteLimit: byteLimit)
    firstRound = MessageWindow(try across.split(color: 0, key: across.rank), byteLimit: byteLimit)
    secondRound = MessageWindow(try across.split(color: 0, key: across.rank), byteLimit: byteLimit)
    let blocks = gradients.table.blockIDs.map { block in
      across.size == 1 ? nil : CompressedBlock(block, gradients.pieces(of: block), config)
    }
    let matrices = blocks.map { $0?.factors ?? [] }
    let (arena, views) = Arena.layOut { space in
      // One matrix after the other.
      space.overlaid(matrices.flatMap { $0 }.map { factors in { factors.layOutScratch(&$0) } })
    }
    var start = 0
    scratch = matrices.map { factors in
      defer { start += factors.count }
      return Array(views[start..<start + factors.count])
    }
    (self.blocks, self.arena) = (blocks, arena)
    isPending = blocks.map { _ in false }
  }

  func beginStep(isCompressing: Bool) {
    self.isCompressing = isCompressing
    (started, advanced) = ([], 0)
    isPending = isPending.map { _ in true }
  }

  private func compressed(_ block: BlockID) -> CompressedBlock? { isCompressing ? blocks[block.index] : nil }

  func start(_ block: BlockID) throws {
    for range in gradients.ranges(of: block) { add(errors.values(of: block)[range], to: gradients.vector(block, range)) }
    guard let compressed = compressed(block) else { return try exact.start(block) }
    compressed.startFirst(gradients, seed: seed, in: firstRound)
    started.append(compressed)
    _ = try advance()
  }

  func advance() throws -> Bool {
    let isExactDone = try exact.advance()
    _ = try firstRound.advance()
    while advanced < started.count, started[advanced].isFirstComplete(in: firstRound) {
      clock.measure(.communicate) { started[advanced].startSecond(gradients, in: secondRound) }
      advanced += 1
    }
    let isSecondDone = try secondRound.advance()
    return isExactDone && advanced == started.count && isSecondDone
  }

  func sumOfSquares(_ block: BlockID) -> Double { compressed(block)?.sumOfSquares ?? exact.sumOfSquares(block) }

  func isFinite(_ block: BlockID) -> Bool { compressed(block)?.areSumsFinite ?? exact.isFinite(block) }

  func complete(_ block: BlockID) {
    guard isPending[block.index] else { return }
    isPending[block.index] = false
    let values = errors.values(of: block)
    if let compressed = compressed(block) {
      withExtendedLifetime(arena) {
        compressed.complete(gradients, errors: values, scratch: scratch[block.index], staysWarm: config.warmStart)
      }
    } else {
      for range in gradients.ranges(of: block) { values[range].fill(0) }
    }
  }

  /// The first node gets the sum of all nodes' errors, and the others none: only their sum counts, and a checkpoint has one copy. The next
  /// step begins with random numbers, as that of a training that resumes from the checkpoint does.
  func settle() throws {
    for block in blocks { block?.cool() }
    if across.size == 1 { return }
    for block in gradients.table.blockIDs {
      for range in gradients.ranges(of: block) {
        let values = errors.values(of: block)[range]
        for first in stride(from: 0, to: values.count, by: MessageWindow.pieceCount) {
          try across.reduceToFirst(values.base + first, count: min(MessageWindow.pieceCount, values.count - first))
        }
        if across.rank > 0 { values.fill(0) }
      }
    }
  }
}
