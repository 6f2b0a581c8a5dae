import Tokens

/// Numbers of pairs of tokens: a hash table with open addressing, because lookups dominate the time of encoding.
struct PairTable: Sendable {
  /// The pair in the upper half, its number in the lower. Their count is a power of two; at most half are in use.
  private var slots = [UInt64](repeating: empty, count: 16)
  private var shift: UInt32 = 28
  private(set) var count = 0
  private static let empty = UInt64.max

  static func key(_ left: Token, _ right: Token) -> UInt32 { UInt32(left) << 16 | UInt32(right) }

  /// The number of a pair, if it has one.
  @inline(__always) subscript(pair: UInt32) -> Int? {
    let slot = slots[slot(of: pair)]
    return slot == Self.empty ? nil : Int(slot & 0xFFFF_FFFF)
  }

  /// The number of a pair; a new pair gets the next one.
  mutating func number(of pair: UInt32) -> Int {
    let slot = slot(of: pair)
    if slots[slot] != Self.empty { return Int(slots[slot] & 0xFFFF_FFFF) }
    slots[slot] = UInt64(pair) << 32 | UInt64(count)
    count += 1
    if 2 * count > slots.count { grow() }
    return count - 1
  }

  /// The slot of a pair; for a pair without number, the slot that it would get.
  @inline(__always) private func slot(of pair: UInt32) -> Int {
    var slot = Int((pair &* 0x9E37_79B1) >> shift)  // 2^32 by the golden ratio: the upper bits depend on all
    while slots[slot] != Self.empty && UInt32(slots[slot] >> 32) != pair { slot = (slot &+ 1) & (slots.count &- 1) }
    return slot
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: Self.empty, count: 2 * old.count)
    shift -= 1
    for entry in old where entry != Self.empty { slots[slot(of: UInt32(entry >> 32))] = entry }
  }
}
