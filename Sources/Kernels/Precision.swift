import CDNN

/// The format of activations and of the operands of GEMMs. Weights, sums, the residual stream, norms, softmax and losses are
/// fp32 in any case.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case fp32
  case bf16

  /// bf16 where the CPU multiplies it at least as fast as fp32, fp32 elsewhere.
  ///
  /// AMX is always faster. AVX512_BF16 is where a product of pairs takes as long as one of floats; on some Xeons it takes four times as
  /// long, so that bf16 has half the throughput of fp32. Which it is, is measured once, in less than a millisecond.
  public static let fastest: Precision = cdnn_has_fast_bf16() == 1 ? .bf16 : .fp32

  /// What images are sampled in: bf16 where the CPU has it. A step reads all weights for a few rows, so it takes half the time with half
  /// the bytes, however fast products are. (64 images at a time are a third slower where they are slow.)
  public static var sampling: Precision { Precision.bf16.isSupported ? .bf16 : .fp32 }

  /// Whether this CPU has what training in this precision needs: AVX512_BF16 or AMX for bf16. Where that is not faster than fp32, it still
  /// takes half the memory, and GEMMs are as fast as in fp32.
  public var isSupported: Bool { self == .fp32 || cdnn_has_bf16() == 1 }
}
