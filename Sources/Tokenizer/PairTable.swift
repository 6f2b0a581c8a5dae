/// Numbers of pairs of tokens: a hash table with open addresses, because tokenizing asks little else.
struct PairTable: Sendable {
  /// A pair in the upper half, its number in the lower; a power of two of them, at most half of them in use.
  private var slots = [UInt64](repeating: empty, count: 16)
  private var shift: UInt32 = 28
  private(set) var count = 0
  private static let empty = UInt64.max

  static func key(_ left: UInt16, _ right: UInt16) -> UInt32 { UInt32(left) << 16 | UInt32(right) }

  /// The number of a pair, if it has one.
  @inline(__always) subscript(pair: UInt32) -> Int? {
    let slot = slots[slot(of: pair)]
    return slot == Self.empty ? nil : Int(slot & 0xFFFF_FFFF)
  }

  /// The number of a pair; a new pair gets the next one.
  mutating func number(of pair: UInt32) -> Int {
    let place = slot(of: pair)
    if slots[place] != Self.empty { return Int(slots[place] & 0xFFFF_FFFF) }
    slots[place] = UInt64(pair) << 32 | UInt64(count)
    count += 1
    if 2 * count > slots.count { grow() }
    return count - 1
  }

  /// Where a pair is, or where it would be.
  @inline(__always) private func slot(of pair: UInt32) -> Int {
    var place = Int((pair &* 0x9E37_79B1) >> shift)  // 2^32 by the golden ratio: the upper bits depend on all
    while slots[place] != Self.empty && UInt32(slots[place] >> 32) != pair { place = (place &+ 1) & (slots.count &- 1) }
    return place
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: Self.empty, count: 2 * old.count)
    shift -= 1
    for entry in old where entry != Self.empty { slots[slot(of: UInt32(entry >> 32))] = entry }
  }
}
