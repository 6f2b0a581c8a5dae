/// The upper half of a `Float`: its range, with 8 bits of precision. What GEMMs take where the CPU multiplies it faster.
public struct BFloat16: BitwiseCopyable, Sendable, Equatable {
  public var bits: UInt16

  @inlinable public init(bits: UInt16) { self.bits = bits }

  /// The nearest value; of two that are equally near, the even one. NaN stays NaN.
  @inlinable public init(_ value: Float) {
    let pattern = value.bitPattern
    // Rounded, a NaN with few bits set would become an infinity, and one with all bits set 0.
    bits = value.isNaN ? UInt16(pattern >> 16) | 0x40 : UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
  }

  @inlinable public var float: Float { Float(bitPattern: UInt32(bits) << 16) }
}
