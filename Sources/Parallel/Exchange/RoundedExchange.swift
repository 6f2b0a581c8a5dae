import Kernels
import Layers
import MPI
import Memory
import Monitoring

/// Sums between nodes of gradients in bf16: half of the bytes.
///
/// Every node rounds its gradient, and gets from all others their numbers of its part of the rows. It adds them in fp32, in the order of
/// nodes, rounds the sum once, and sends it to all. So a sum of n numbers has n + 1 roundings of at most 2⁻⁸ each, whatever n is; MPI's
/// own sums in bf16 would round after every addition.
final class RoundedExchange: GradientExchange {
  let gradients: OwnedGradients
  /// One group for each of the two messages: calls have the same order on all nodes within a group, not between them.
  private let scattering, gathering: Communicator
  private let slots: [Slot]
  private let clock: PhaseClock

  /// Vectors that were started, in order. The first `finished` are summed, the first `gathered` are at least on their way back, the
  /// first `issued` at least on their way out.
  private var parts: [Vector] = []
  private var issued = 0
  private var gathered = 0
  private var finished = 0

  /// Parts on their way at a time.
  private static let slotCount = 8
  /// Floats of a rank that are on their way at a time.
  static let limit = slotCount * MessageWindow.pieceCount

  /// Room for one part on its way.
  private final class Slot {
    let outgoing, incoming: Buffer<BFloat16>
    var request: Request?

    init(count: Int) { (outgoing, incoming) = (Buffer(count: count), Buffer(count: count)) }
  }

  /// Collective over the ranks of `across`.
  init(_ gradients: OwnedGradients, across: Communicator, clock: PhaseClock) throws {
    (self.gradients, self.clock) = (gradients, clock)
    scattering = try across.split(color: 0, key: across.rank)
    gathering = try across.split(color: 0, key: across.rank)
    slots = (0..<Self.slots(gradients.floatCount, nodes: across.size)).map { _ in
      Slot(count: Self.slotFloats(gradients.floatCount, nodes: across.size))
    }
  }

  private static func slots(_ floatCount: Int, nodes: Int) -> Int { nodes == 1 || floatCount == 0 ? 0 : slotCount }

  /// Numbers of the longest part, with those past its end.
  private static func slotFloats(_ floatCount: Int, nodes: Int) -> Int { min(MessageWindow.pieceCount, floatCount) + nodes }

  /// Bytes that a rank takes for it.
  static func byteCount(floatCount: Int, nodes: Int) -> Int {
    slots(floatCount, nodes: nodes) * 2 * MemoryLayout<BFloat16>.stride * slotFloats(floatCount, nodes: nodes)
  }

  func beginStep(isCompressing: Bool) {
    parts = []
    (issued, gathered, finished) = (0, 0, 0)
  }

  func start(_ block: BlockID) throws {
    if slots.isEmpty { return }
    for range in gradients.ranges(of: block) {
      let values = gradients.vector(block, range)
      for first in stride(from: 0, to: values.count, by: MessageWindow.pieceCount) {
        parts.append(values[first..<min(first + MessageWindow.pieceCount, values.count)])
      }
    }
    _ = try advance()
  }

  func advance() throws -> Bool {
    while finished < parts.count {
      let before = (issued, gathered, finished)
      while issued < parts.count, issued < finished + slots.count {
        try clock.measure(.communicate) { try scatter(parts[issued], slots[issued % slots.count]) }
        issued += 1
      }
      while gathered < issued, try slots[gathered % slots.count].request!.test() {
        try clock.measure(.communicate) { try gather(parts[gathered], slots[gathered % slots.count]) }
        gathered += 1
      }
      while finished < gathered, try slots[finished % slots.count].request!.test() {
        let part = parts[finished]
        clock.measure(.communicate) { widen(slots[finished % slots.count].incoming.vector[0..<part.count], into: part) }
        finished += 1
      }
      if before == (issued, gathered, finished) { return false }
    }
    return true
  }

  /// Floats of each node's part; the last ones may be past the end, and are 0.
  private func share(_ count: Int) -> Int { (count + scattering.size - 1) / scattering.size }

  private func scatter(_ values: Vector, _ slot: Slot) throws {
    let share = share(values.count)
    round(values, into: slot.outgoing.vector[0..<values.count])
    slot.outgoing.vector[values.count..<share * scattering.size].fill(BFloat16(0))
    slot.request = try scattering.iAllToAll(
      slot.outgoing.base, into: slot.incoming.base, byteCount: share * MemoryLayout<BFloat16>.stride, owner: slot)
  }

  private func gather(_ values: Vector, _ slot: Slot) throws {
    let share = share(values.count)
    let shares = (0..<scattering.size).map { slot.incoming.vector[$0 * share..<($0 + 1) * share] }
    sum(shares, into: slot.outgoing.vector[0..<share])
    slot.request = try gathering.iAllGather(
      slot.outgoing.base, into: slot.incoming.base, byteCount: share * MemoryLayout<BFloat16>.stride, owner: slot)
  }
}
