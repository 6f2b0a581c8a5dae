import Errors
import Kernels
import Layers
import Tokens

#if canImport(Glibc)
  import Glibc
#endif

/// The shape of the transformer over text and image tokens (paper 2.2, B.1).
package struct TransformerConfig: Codable, Sendable, Equatable {
  package var layers: Int
  package var heads: Int
  package var headSize: Int
  /// Text positions.
  package var textLength: Int
  /// Width and height of the image in tokens.
  package var grid: Int
  package var textVocabulary: Int
  package var imageVocabulary: Int
  /// Window of the last layer's convolutional attention; odd.
  package var convolutionKernel: Int
  package var architecture: TransformerArchitecture
  /// Keep only the inputs of resblocks and compute the rest again in the backward pass: less memory, same bits.
  package var recompute: Bool

  package init(
    layers: Int, heads: Int, headSize: Int, textLength: Int, grid: Int, textVocabulary: Int, imageVocabulary: Int,
    convolutionKernel: Int = 11, architecture: TransformerArchitecture = .published, recompute: Bool = false
  ) {
    self.layers = layers
    self.heads = heads
    self.headSize = headSize
    self.textLength = textLength
    self.grid = grid
    self.textVocabulary = textVocabulary
    self.imageVocabulary = imageVocabulary
    self.convolutionKernel = convolutionKernel
    self.architecture = architecture
    self.recompute = recompute
  }

  /// The values that files from before a key was there had.
  package struct LaterKeys: Encodable {
    private let architecture = TransformerArchitecture.published
    private let recompute = false
    package init() {}
  }

  /// Width of the residual stream.
  package var width: Int { heads * headSize }
  package var imageLength: Int { grid * grid }
  /// Positions of a sample: text, then image.
  package var length: Int { textLength + imageLength }

  /// Bytes of a sample's tokens.
  package var sampleBytes: Int { length * MemoryLayout<Token>.size }

  /// Limits of each value, for `validate` and for configurations that have these values as keys.
  package static let limits: [String: ClosedRange<Int>] = [
    "layers": 1...1024, "heads": 1...1024, "headSize": 1...1024, "textLength": 1...4096, "grid": 1...128,
    "textVocabulary": 1...65_536, "imageVocabulary": 1...65_536, "convolutionKernel": 1...101,
  ]

  /// Throws `DalleError` of kind `configuration` if no transformer has this shape.
  package func validate() throws {
    for (name, value) in [
      ("layers", layers), ("heads", heads), ("headSize", headSize), ("textLength", textLength), ("grid", grid),
      ("textVocabulary", textVocabulary), ("imageVocabulary", imageVocabulary), ("convolutionKernel", convolutionKernel),
    ] {
      let limits = Self.limits[name]!
      if !limits.contains(value) {
        throw DalleError(
          .configuration, "the transformer's \(name) is \(value); it must lie between \(limits.lowerBound) and \(limits.upperBound)"
        )
      }
    }
    guard width % 16 == 0 else {
      throw DalleError(
        .configuration, "the transformer's heads · headSize is \(heads) · \(headSize) = \(width); it must be a multiple of 16")
    }
    guard convolutionKernel % 2 == 1 else {
      throw DalleError(.configuration, "the transformer's convolutionKernel is \(convolutionKernel); it must be odd")
    }
  }

  /// GEMMs and attention pairs of one sample's forward pass, in FLOPs; sparse attention counts what it may compute.
  package func flops(patterns: [AttentionPattern]) -> Double {
    let d = Double(width)
    let blocks = Double(layers) * Double(length) * 24 * d * d
    let attention = attentionFlops(patterns)
    let heads = 2 * d * (Double(textLength) * Double(textVocabulary) + Double(imageLength) * Double(imageVocabulary))
    return blocks + attention + heads
  }

  /// Those of a sample's forward and backward pass, which takes two operations for each one; recomputing is not counted.
  package func trainingFlops(patterns: [AttentionPattern]) -> Double { 3 * flops(patterns: patterns) }

  /// What the backward pass computes once more with `recompute`: keys, queries, values, attention, and the first product of each MLP.
  package func recomputedFlops(patterns: [AttentionPattern]) -> Double {
    recompute ? Double(layers) * Double(length) * 14 * Double(width) * Double(width) + attentionFlops(patterns) : 0
  }

  private func attentionFlops(_ patterns: [AttentionPattern]) -> Double {
    patterns.reduce(0) { $0 + 4 * Double(width) * Double($1.pairCount) }
  }
}
