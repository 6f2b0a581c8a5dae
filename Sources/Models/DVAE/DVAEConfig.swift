import Errors

/// How a dVAE makes codes of images.
package enum QuantizerKind: String, Codable, Sendable, CaseIterable {
  /// The published one: logits over the codes, relaxed with Gumbel noise in training (paper 2.1).
  case gumbel
  /// Finite scalar quantization (Mentzer et al. 2023): a few numbers, each rounded to one of 4 or 8 levels.
  case fsq
}

/// Size and shape of a dVAE. The defaults are the published model (paper A.1, released code).
package struct DVAEConfig: Codable, Sendable, Equatable {
  /// Height and width of the images.
  package var imageSize = 256
  /// Groups of residual blocks in the encoder and in the decoder; between groups the image's size halves or doubles.
  package var groups = 4
  package var blocksPerGroup = 2
  /// Channels (n_hid) of the encoder's first and the decoder's last group; each group further in has twice as many.
  package var baseChannels = 256
  /// Channels (n_init) of a codebook entry: what the decoder makes of a code first.
  package var codebookDim = 128
  /// What makes codes of the encoder's output.
  package var quantizer = QuantizerKind.gumbel
  /// Number of codes.
  package var vocabulary = 8192
  /// Compute each block's hidden activations again in the backward pass instead of keeping them: less memory, same bits.
  package var recompute = false

  package init() {}

  /// Height and width of the grid of codes.
  package var grid: Int { imageSize >> (groups - 1) }
  /// With finite scalar quantization, the values that each number of a code can have: eights, and fours before them, whose product is the
  /// vocabulary (Mentzer et al. 2023 advise five and more).
  var levels: [Int] {
    let bits = vocabulary.trailingZeroBitCount
    let fours = (3 - bits % 3) % 3
    return Array(repeating: 4, count: fours) + Array(repeating: 8, count: (bits - 2 * fours) / 3)
  }
  /// Channels between encoder and decoder.
  var codeChannels: Int {
    switch quantizer {
    case .gumbel: vocabulary
    case .fsq: levels.count
    }
  }
  /// Channels at the grid.
  var innerWidth: Int { baseChannels << (groups - 1) }
  /// Post-gain of the residual paths, 1 / layers² (paper 2.1, footnote 4).
  var postGain: Float { 1 / Float((groups * blocksPerGroup) * (groups * blocksPerGroup)) }
  /// Values of one image, over which the loss is averaged.
  package var pixelValues: Int { imageSize * imageSize * 3 }

  /// Limits of each value, for `validate` and for configurations that have these values as keys.
  package static let limits: [String: ClosedRange<Int>] = [
    "imageSize": 8...4096, "groups": 1...8, "blocksPerGroup": 1...64, "baseChannels": 4...8192, "codebookDim": 1...8192,
    "vocabulary": 2...65_536,
  ]

  /// Throws `DalleError` of kind `configuration` if no dVAE has this shape.
  package func validate() throws {
    for (name, value) in [
      ("groups", groups), ("blocksPerGroup", blocksPerGroup), ("baseChannels", baseChannels), ("codebookDim", codebookDim),
      ("vocabulary", vocabulary), ("imageSize", imageSize),
    ] {
      let limits = Self.limits[name]!
      if !limits.contains(value) {
        throw DalleError(
          .configuration, "the dVAE's \(name) is \(value); it must lie between \(limits.lowerBound) and \(limits.upperBound)")
      }
    }
    if quantizer == .fsq, vocabulary < 4 || vocabulary.nonzeroBitCount != 1 {
      throw DalleError(
        .configuration, "the dVAE's vocabulary is \(vocabulary); with the quantizer fsq it must be a power of two from 4 to 65536")
    }
    if baseChannels % 4 != 0 {
      throw DalleError(.configuration, "the dVAE's baseChannels is \(baseChannels); it must be a multiple of 4")
    }
    let shrinking = 1 << (groups - 1)
    if imageSize % shrinking != 0 {
      throw DalleError(
        .configuration,
        "the dVAE's imageSize is \(imageSize); with \(groups) groups it must be a multiple of \(shrinking) = 2^(groups - 1)")
    }
  }
}
