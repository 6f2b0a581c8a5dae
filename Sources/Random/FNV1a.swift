/// FNV-1a (Fowler, Noll, Vo) with 64 bits, over integers instead of bytes: the same in every process and on every machine,
/// unlike Swift's seeded hashes. Not against people who want collisions.
@inlinable public func fnv1a<Word: FixedWidthInteger & UnsignedInteger>(_ words: some Sequence<Word>) -> UInt64 {
  words.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
