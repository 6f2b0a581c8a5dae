import Generation
import Kernels
import Layers
import Models
import Tokens

/// The images that a transformer's training makes of captions of the validation split, for people.
enum SampleSheet {
  /// Captions, each of which gets an image.
  static let count = 16

  /// Bytes that it takes on the coordinator: the dVAE, which is kept, and while images are sampled the transformer's weights as sampling
  /// reads them and KV caches.
  static func byteCount(
    _ transformer: TransformerConfig, dvae: DVAEConfig, sampling: SamplingConfig, precision: Precision
  ) throws -> Int {
    let operand = precision == .bf16 ? 2 : 4
    let packed = Transformer.table(transformer).parameters.reduce(0) { $0 + $1.count * ($1.role.isOperand ? operand : 4) }
    let decoder = DVAEArchitecture(dvae).table.floatCount * (precision == .bf16 ? 6 : 4)
    // Captions that differ, each with a KV cache of its own.
    let requests = (0..<count).map { GenerationRequest(prompt: [Token($0)], sampling: sampling) }
    return try packed + decoder + DVAE.activationBytes(dvae, batch: count, mode: .inference, precision: precision)
      + SamplingSession.byteCount(requests, transformer, precision)
  }
}
