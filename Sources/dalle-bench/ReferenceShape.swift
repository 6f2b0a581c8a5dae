import Models
import Training

/// Shapes whose speed is compared from version to version, and with other programs.
enum ReferenceShape {
  /// 8 layers of width 512, 256 text and 1024 image tokens, 51 million parameters.
  static let small = TransformerConfig(
    layers: 8, heads: 8, headSize: 64, textLength: 256, grid: 32, textVocabulary: 16_384, imageVocabulary: 8192)
}
