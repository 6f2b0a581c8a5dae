/// The FNV-1a hash of words, 64 bits: stable across processes, unlike Swift's seeded hashes.
///
/// - Parameter hash: that of the words before these.
@inlinable public func fnv1a<Word: FixedWidthInteger & UnsignedInteger>(
  _ words: some Sequence<Word>, after hash: UInt64 = 0xCBF2_9CE4_8422_2325
) -> UInt64 {
  words.reduce(hash) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
