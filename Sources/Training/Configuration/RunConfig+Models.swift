import Models
import Parallel
import Preparation

extension RunConfig {
  /// The dVAE that this run trains.
  package var dvaeConfig: DVAEConfig {
    var config = DVAEConfig()
    config.imageSize = data.imageSize
    config.groups = dvae.model.groups
    config.blocksPerGroup = dvae.model.blocksPerGroup
    config.baseChannels = dvae.model.baseChannels
    config.codebookDim = dvae.model.codebookDim
    config.quantizer = dvae.model.quantizer
    config.vocabulary = dvae.model.vocabulary
    config.recompute = dvae.model.recompute
    return config
  }

  /// The decoder that this run fine-tunes.
  package var decoderConfig: AdversarialDecoderConfig {
    AdversarialDecoderConfig(dvae: dvaeConfig, discriminatorChannels: decoder.model.discriminatorChannels)
  }

  /// The CLIP that this run trains.
  ///
  /// - Parameter textVocabulary: of the trained tokenizer, which may have found fewer tokens than it was asked for.
  package func clipConfig(textVocabulary: Int) -> CLIPConfig {
    let model = clip.model
    return CLIPConfig(
      imageSize: data.imageSize, patchSize: model.patchSize, layers: model.layers, heads: model.heads, headSize: model.headSize,
      textLength: model.textLength, textVocabulary: textVocabulary, featureSize: model.featureSize)
  }

  /// How its nodes exchange gradients.
  package var exchange: ExchangeSettings {
    var settings = ExchangeSettings(
      parallel.exchange, shard: parallel.shard, powersgd: parallel.powersgd, seed: UInt64(seed))
    (settings.localUpdates, settings.outer) = (parallel.localUpdates, parallel.outer)
    return settings
  }

  /// The transformer that this run trains.
  ///
  /// - Parameters:
  ///   - textVocabulary: of the trained tokenizer, which may have found fewer tokens than it was asked for.
  ///   - textLength: of the shards; without them, the most that it can be.
  package func transformerConfig(textVocabulary: Int, textLength: Int? = nil) -> TransformerConfig {
    let model = transformer.model
    let most = model.textLength == 0 ? CaptionTokens.automaticLimit : model.textLength
    return TransformerConfig(
      layers: model.layers, heads: model.heads, headSize: model.headSize, textLength: textLength ?? most,
      grid: dvaeConfig.grid, textVocabulary: textVocabulary, imageVocabulary: dvae.model.vocabulary,
      convolutionKernel: model.convolutionKernel, architecture: model.architecture, recompute: model.recompute)
  }
}
