import CLanes
import Memory

/// What AdamW keeps its moments in. In 16 bits they are rounded to one of the two neighbors at random, to the nearer one more often:
/// rounded to the nearest, a moment would not follow changes that are small beside it.
package enum MomentFormat: String, Codable, Sendable, CaseIterable {
  case fp32
  case bf16
  /// The paper's: 1-6-9 for the first moment, 0-6-10 for the second (appendix B.2).
  case published

  /// Of the first and of the second moment.
  var elementTypes: (first: StateArray.ElementType, second: StateArray.ElementType) {
    switch self {
    case .fp32: (.fp32, .fp32)
    case .bf16: (.bf16, .bf16)
    case .published: (.float169, .float610)
    }
  }
}

/// Sixteen values of a state array: in fp32 to compute with, in their format in memory.
protocol StateElement {
  associatedtype Storage: BitwiseCopyable
  static func load(_ storage: UnsafePointer<Storage>) -> SIMD16<Float>
  /// - Parameter random: 16 random bits for each value.
  static func store(_ values: SIMD16<Float>, _ random: SIMD16<UInt32>, to storage: UnsafeMutablePointer<Storage>)
}

enum FP32State: StateElement {
  @inline(__always) static func load(_ storage: UnsafePointer<Float>) -> SIMD16<Float> {
    UnsafeRawPointer(storage).loadUnaligned(as: SIMD16<Float>.self)
  }
  @inline(__always) static func store(_ values: SIMD16<Float>, _: SIMD16<UInt32>, to storage: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(storage).storeBytes(of: values, as: SIMD16<Float>.self)
  }
}

enum BF16State: StateElement {
  @inline(__always) static func load(_ storage: UnsafePointer<UInt16>) -> SIMD16<Float> { lanes_widened(bits(storage)) }
  @inline(__always) static func store(
    _ values: SIMD16<Float>, _ random: SIMD16<UInt32>, to storage: UnsafeMutablePointer<UInt16>
  ) { write(lanes_randomly_rounded(values, random), to: storage) }
}

enum Float169State: StateElement {
  @inline(__always) static func load(_ storage: UnsafePointer<UInt16>) -> SIMD16<Float> { lanes_of_1_6_9(bits(storage)) }
  @inline(__always) static func store(
    _ values: SIMD16<Float>, _ random: SIMD16<UInt32>, to storage: UnsafeMutablePointer<UInt16>
  ) { write(lanes_to_1_6_9(values, random), to: storage) }
}

enum Float610State: StateElement {
  @inline(__always) static func load(_ storage: UnsafePointer<UInt16>) -> SIMD16<Float> { lanes_of_0_6_10(bits(storage)) }
  @inline(__always) static func store(
    _ values: SIMD16<Float>, _ random: SIMD16<UInt32>, to storage: UnsafeMutablePointer<UInt16>
  ) { write(lanes_to_0_6_10(values, random), to: storage) }
}

@inline(__always) private func bits(_ storage: UnsafePointer<UInt16>) -> SIMD16<UInt16> {
  UnsafeRawPointer(storage).loadUnaligned(as: SIMD16<UInt16>.self)
}

@inline(__always) private func write(_ values: SIMD16<UInt16>, to storage: UnsafeMutablePointer<UInt16>) {
  UnsafeMutableRawPointer(storage).storeBytes(of: values, as: SIMD16<UInt16>.self)
}
