import Kernels
import Layers
import MPI
import Memory
import Monitoring

/// Sums between nodes of gradients in bf16, where the state is spread over nodes: each node gets the sums of the rows that it keeps.
///
/// Every node rounds its gradient and sends it to the node that keeps the rows, which adds what it gets in fp32, in the order of nodes.
/// So a sum of n numbers has n roundings of at most 2⁻⁸ each.
final class RoundedScatteredExchange: GradientExchange {
  let gradients: OwnedGradients
  let isScattered = true
  private let across: Communicator
  private let slots: [Slot]
  private let clock: PhaseClock

  /// Parts that were started, in order. The first `finished` are summed, the first `issued` at least on their way.
  private var parts: [(node: Int, values: Vector)] = []
  private var issued = 0
  private var finished = 0

  /// Parts on their way at a time.
  private static let slotCount = 8

  /// Room for one part on its way: this node's, and those of all nodes.
  private final class Slot {
    let outgoing, incoming: Buffer<BFloat16>
    var request: Request?

    init(count: Int, nodes: Int) { (outgoing, incoming) = (Buffer(count: count), Buffer(count: nodes * count)) }
  }

  /// Collective over the ranks of `across`.
  init(_ gradients: OwnedGradients, across: Communicator, clock: PhaseClock) throws {
    (self.gradients, self.clock) = (gradients, clock)
    self.across = try across.split(color: 0, key: across.rank)
    let count = Self.partCount(gradients.floatCount, nodes: across.size)
    slots = (0..<(count == 0 ? 0 : Self.slotCount)).map { _ in Slot(count: count, nodes: across.size) }
  }

  /// Numbers of the longest part: together those of all nodes are no more than a message that all nodes sum.
  private static func partCount(_ floatCount: Int, nodes: Int) -> Int {
    min((MessageWindow.pieceCount + nodes - 1) / nodes, floatCount)
  }

  /// Floats of a rank that are on their way at a time.
  static func limit(floatCount: Int, nodes: Int) -> Int { slotCount * partCount(floatCount, nodes: nodes) }

  /// Bytes that a rank takes for it.
  static func byteCount(floatCount: Int, nodes: Int) -> Int {
    slotCount * (1 + nodes) * MemoryLayout<BFloat16>.stride * partCount(floatCount, nodes: nodes)
  }

  func beginStep(isCompressing: Bool) {
    parts = []
    (issued, finished) = (0, 0)
  }

  func start(_ block: BlockID) throws {
    if slots.isEmpty { return }
    parts += gradients.parts(of: block, limit: slots[0].outgoing.count).map { ($0.node, gradients.vector(block, $0.range)) }
    _ = try advance()
  }

  func advance() throws -> Bool {
    while finished < parts.count {
      let before = (issued, finished)
      while issued < parts.count, issued < finished + slots.count {
        try clock.measure(.communicate) { try send(parts[issued].values, to: parts[issued].node, slots[issued % slots.count]) }
        issued += 1
      }
      while finished < issued, try slots[finished % slots.count].request!.test() {
        let (node, values) = parts[finished]
        if node == across.rank { clock.measure(.communicate) { add(slots[finished % slots.count], into: values) } }
        finished += 1
      }
      if before == (issued, finished) { return false }
    }
    return true
  }

  private func send(_ values: Vector, to node: Int, _ slot: Slot) throws {
    round(values, into: slot.outgoing.vector[0..<values.count])
    slot.request = try across.iGather(
      slot.outgoing.base, into: slot.incoming.base, byteCount: values.count * MemoryLayout<BFloat16>.stride, at: node, owner: slot)
  }

  private func add(_ slot: Slot, into values: Vector) {
    sum((0..<across.size).map { slot.incoming.vector[$0 * values.count..<($0 + 1) * values.count] }, into: values)
  }
}
