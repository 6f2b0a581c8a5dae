import Models
import Training

/// Model shapes whose speed is compared from version to version, and with other programs.
enum ReferenceShape {
  enum Transformer: String, CaseIterable {
    /// 8 layers of width 512, 256 text and 1024 image tokens, 51 million parameters.
    case small
    /// The transformer of `Configs/emoji.yaml` at a width of 512, with 256 text and 144 image tokens, 21.8 million parameters: short
    /// steps, so that a slow network shows.
    case emoji512 = "emoji-512"

    var config: TransformerConfig {
      switch self {
      case .small:
        TransformerConfig(
          layers: 8, heads: 8, headSize: 64, textLength: 256, grid: 32, textVocabulary: 16_384, imageVocabulary: 8192)
      case .emoji512:
        TransformerConfig(
          layers: 6, heads: 8, headSize: 64, textLength: 256, grid: 12, textVocabulary: 2048, imageVocabulary: 512,
          convolutionKernel: 5)
      }
    }
  }

  enum DVAE: String, CaseIterable {
    /// The published dVAE with a quarter of its channels, on images of 128 x 128.
    case dvae64 = "dvae-64"
    /// The published dVAE, on images of 256 x 256.
    case dvae256 = "dvae-256"

    /// A run's configuration with this dVAE.
    var config: RunConfig {
      var config = RunConfig()
      if self == .dvae64 {
        config.data.imageSize = 128
        config.dvae.model.baseChannels = 64
        config.dvae.model.codebookDim = 32
      }
      return config
    }

    /// Images per step by default.
    var batch: Int { self == .dvae64 ? 4 : 2 }
  }
}
