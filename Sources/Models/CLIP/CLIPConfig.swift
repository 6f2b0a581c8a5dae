import Errors
import Kernels
import Layers
import Tokens

/// The shape of a CLIP: two towers of transformer blocks that give features of images and of captions, in one space (Radford et al. 2021).
package struct CLIPConfig: Codable, Sendable, Equatable {
  /// Height and width of the images, in pixels.
  package var imageSize: Int
  /// Height and width of the patches that are the image tower's positions, in pixels.
  package var patchSize: Int
  /// Of each tower.
  package var layers: Int
  package var heads: Int
  package var headSize: Int
  /// Most tokens of a caption.
  package var textLength: Int
  package var textVocabulary: Int
  /// Values of a feature vector.
  package var featureSize: Int

  package init(
    imageSize: Int, patchSize: Int, layers: Int, heads: Int, headSize: Int, textLength: Int, textVocabulary: Int, featureSize: Int
  ) {
    (self.imageSize, self.patchSize, self.layers, self.heads, self.headSize) = (imageSize, patchSize, layers, heads, headSize)
    (self.textLength, self.textVocabulary, self.featureSize) = (textLength, textVocabulary, featureSize)
  }

  /// Width of the residual streams.
  package var width: Int { heads * headSize }
  package var pixelValues: Int { imageSize * imageSize * 3 }
  /// Bytes of a sample: its pixels, and its tokens.
  package var sampleBytes: Int { pixelValues + textLength * MemoryLayout<Token>.size }
  /// Patches of a row of an image.
  package var grid: Int { imageSize / patchSize }
  package var patchValues: Int { patchSize * patchSize * 3 }

  /// Limits of each value, for `validate` and for configurations that have these values as keys.
  package static let limits: [String: ClosedRange<Int>] = [
    "imageSize": 8...4096, "patchSize": 1...256, "layers": 1...1024, "heads": 1...1024, "headSize": 1...1024,
    "textLength": 1...4096,
    "textVocabulary": 1...65_536, "featureSize": 16...8192,
  ]

  /// Throws `DalleError` of kind `configuration` if no CLIP has this shape.
  package func validate() throws {
    for (name, value) in [
      ("imageSize", imageSize), ("patchSize", patchSize), ("layers", layers), ("heads", heads), ("headSize", headSize),
      ("textLength", textLength), ("textVocabulary", textVocabulary), ("featureSize", featureSize),
    ] {
      let limits = Self.limits[name]!
      if !limits.contains(value) {
        throw DalleError(
          .configuration, "the CLIP's \(name) is \(value); it must lie between \(limits.lowerBound) and \(limits.upperBound)")
      }
    }
    for (name, value) in [("heads · headSize", width), ("featureSize", featureSize)] where value % 16 != 0 {
      throw DalleError(.configuration, "the CLIP's \(name) is \(value); it must be a multiple of 16")
    }
    if imageSize % patchSize != 0 {
      throw DalleError(
        .configuration, "the CLIP's imageSize is \(imageSize); it must be a multiple of its patchSize, \(patchSize)")
    }
  }

  /// The attention of the image tower: every patch attends to all.
  var imagePattern: AttentionPattern { AttentionPattern(.bidirectional(length: grid * grid)) }
  /// The attention of the text tower: a start, then the tokens; what follows a caption's last token changes nothing before it.
  var textPattern: AttentionPattern { AttentionPattern(.causal(length: 1 + textLength)) }

  /// GEMMs and attention pairs of one sample's forward and backward pass, in FLOPs.
  package var trainingFlops: Double {
    let d = Double(width)
    let towers = [imagePattern, textPattern].reduce(0) {
      $0 + Double(layers) * (24 * d * d * Double($1.length) + 4 * d * Double($1.pairCount)) + 2 * d * Double(featureSize)
    }
    return 3 * (towers + 2 * Double(grid * grid * patchValues) * d)
  }
}
