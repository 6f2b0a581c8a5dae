import CDNN

/// The format of activations and of the operands of GEMMs. Weights, sums, the residual stream, norms, softmax and losses are
/// fp32 in any case.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case fp32
  case bf16

  /// bf16 where the CPU multiplies it faster (AVX512_BF16, AMX), fp32 elsewhere.
  public static var fastest: Precision { cdnn_has_fast_bf16() == 1 ? .bf16 : .fp32 }
}
