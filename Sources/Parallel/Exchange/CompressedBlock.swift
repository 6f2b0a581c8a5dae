import Kernels
import Layers
import MPI
import Memory

/// What a rank sends of a block that has matrices worth compressing: their factors, packed into one message for each of the two rounds.
/// All else that the rank owns of the block goes with the first.
final class CompressedBlock {
  let block: BlockID
  let factors: [LowRankFactors]
  /// Owned floats of the block that are sent as they are.
  let exempt: [Range<Int>]
  /// First P of each matrix, then the exempt floats: of this node, then summed over the nodes.
  private let first: Buffer<Float>
  /// Q of each matrix: what the step begins with, then the sum over the nodes.
  private let second: Buffer<Float>
  /// This node's Q of each matrix.
  private let own: Buffer<Float>
  /// Whether `second` has what the next step begins with.
  private var isWarm = false
  private var isFinite = true
  /// How many messages of the first round are complete when this block's are.
  private var firstEnd = 0

  /// Nil for a block that has no such matrix.
  init?(_ block: BlockID, _ pieces: [Partition.Piece], _ config: PowerSGDConfig) {
    self.block = block
    factors = pieces.compactMap { piece in config.rank(of: piece).map { LowRankFactors(piece, rank: $0) } }
    guard !factors.isEmpty else { return nil }
    exempt = pieces.filter { config.rank(of: $0) == nil }.map(\.range)
    first = Buffer(count: factors.reduce(0) { $0 + $1.pCount } + exempt.reduce(0) { $0 + $1.count })
    let qCount = factors.reduce(0) { $0 + $1.qCount }
    (second, own) = (Buffer(count: qCount), Buffer(count: qCount))
  }

  /// What a rank's blocks take together, in bytes.
  struct Cost {
    /// Messages of both rounds.
    var first = 0
    var second = 0
    /// For one matrix after the other.
    var scratch = 0
    /// Gradients of blocks with a matrix worth compressing.
    var covered = 0
    /// Of what would travel without compression.
    var saved = 0
    /// FLOPs of an exchange: four products of a matrix with a factor, for P, Q, the node's own error, and the sum.
    var flops = 0.0
  }

  /// - Parameter blocks: pieces of each.
  static func cost(of blocks: [[Partition.Piece]], _ config: PowerSGDConfig) -> Cost {
    var cost = Cost()
    for pieces in blocks {
      let factors = pieces.compactMap { piece in config.rank(of: piece).map { LowRankFactors(piece, rank: $0) } }
      if factors.isEmpty { continue }
      let exempt = pieces.filter { config.rank(of: $0) == nil }.reduce(0) { $0 + 4 * $1.range.count }
      cost.first += exempt
      cost.covered += exempt
      for factors in factors {
        cost.first += 4 * factors.pCount
        cost.second += 4 * factors.qCount
        cost.covered += 4 * factors.rows * factors.columns
        cost.saved += 4 * (factors.rows * factors.columns - factors.pCount - factors.qCount)
        cost.flops += 8 * Double(factors.rows) * Double(factors.columns) * Double(factors.rank)
        cost.scratch = max(cost.scratch, Arena.measure { factors.layOutScratch(&$0) })
      }
    }
    return cost
  }

  /// Calls `body` with each matrix and its parts of the buffers.
  private func forEachMatrix(_ body: (_ factors: LowRankFactors, _ p: Vector, _ q: Vector, _ ownQ: Vector) -> Void) {
    var (pStart, qStart) = (0, 0)
    for factors in factors {
      let q = qStart..<qStart + factors.qCount
      body(factors, first.vector[pStart..<pStart + factors.pCount], second.vector[q], own.vector[q])
      (pStart, qStart) = (pStart + factors.pCount, q.upperBound)
    }
  }

  private func forEachExempt(_ body: (_ range: Range<Int>, _ values: Vector) -> Void) {
    var start = factors.reduce(0) { $0 + $1.pCount }
    for range in exempt {
      body(range, first.vector[start..<start + range.count])
      start += range.count
    }
  }

  // MARK: A step

  /// The next step begins with random numbers.
  func cool() { isWarm = false }

  /// Sends P = M Q of this node's gradients.
  func startFirst(_ gradients: OwnedGradients, seed: UInt64, in window: MessageWindow) {
    forEachMatrix { factors, p, q, _ in
      if !isWarm { factors.fillRandom(q, seed: seed) }
      factors.project(gradients.vector(block, factors.piece.range), q, into: p)
    }
    isWarm = false
    forEachExempt { range, values in values.copy(from: gradients.vector(block, range)) }
    window.addSum(first.vector, owner: first)
    firstEnd = window.added
  }

  /// Whether the sum of the first message is complete.
  func isFirstComplete(in window: MessageWindow) -> Bool { window.completed >= firstEnd }

  /// Sends Q = Mᵀ P of this node's gradients, with the columns of the summed P made orthonormal.
  func startSecond(_ gradients: OwnedGradients, in window: MessageWindow) {
    // An infinity anywhere is in the sums of all nodes: the update will be skipped on all.
    isFinite = first.vector.isFinite
    if isFinite {
      forEachMatrix { factors, p, q, ownQ in
        orthonormalizeRows(factors.p(p))
        factors.projectBack(gradients.vector(block, factors.piece.range), p, into: ownQ)
        q.copy(from: ownQ)
      }
    } else {
      second.vector.fill(.nan)
    }
    window.addSum(second.vector, owner: second)
  }

  /// Of the summed gradient. P has orthonormal columns, so those of a matrix are those of its Q.
  var sumOfSquares: Double {
    var sum = Kernels.sumOfSquares(second.vector)
    forEachExempt { sum += Kernels.sumOfSquares($1) }
    return isFinite ? sum : .nan
  }

  var areSumsFinite: Bool { isFinite && second.vector.isFinite }

  /// Puts the summed gradient in the place of this node's, and what this node's factors lack of that into `errors`, the block's.
  ///
  /// - Parameter staysWarm: the next step begins with the Q of this one.
  func complete(_ gradients: OwnedGradients, errors: Vector, scratch: [LowRankFactors.Scratch], staysWarm: Bool) {
    isWarm = staysWarm
    var index = 0
    forEachMatrix { factors, p, q, ownQ in
      let (range, m) = (factors.piece.range, gradients.vector(block, factors.piece.range))
      factors.subtract(p, ownQ, from: m, into: errors[range])
      factors.expand(p, q, into: m, scratch[index])
      index += 1
    }
    forEachExempt { range, values in
      errors[range].fill(0)
      gradients.vector(block, range).copy(from: values)
    }
  }
}
