import Errors
import Generation
import Kernels
import Layers
import Models
import Optimization
import Parallel
import Tokenizer

/// Everything that decides a run. The defaults are the published system; a YAML file or `--set` changes single keys. What each key
/// does, its limits and its unit are declared in `RunConfig.sections`; `Docs/configuration.md` lists them.
///
/// The resolved configuration is saved in the run folder.
package struct RunConfig: Codable, Sendable, Equatable {
  package var seed = 1
  package var precision = PrecisionChoice.auto
  package var data = DataConfig()
  package var tokenizer = TokenizerConfig()
  package var dvae = DVAEStageConfig()
  package var decoder = DecoderStageConfig()
  package var transformer = TransformerStageConfig()
  package var clip = CLIPStageConfig()
  package var sampling = SamplingConfig()
  package var parallel = ParallelConfig()
  package var monitoring = MonitoringConfig()

  package init() {}
}

/// Format of both models' activations and GEMMs.
package enum PrecisionChoice: String, Codable, Sendable, CaseIterable {
  /// bf16 where the CPU multiplies it faster, else fp32.
  case auto
  case fp32, bf16

  /// - Throws: `DalleError` for bf16 where this CPU has no instructions for it.
  package func resolved() throws -> Precision {
    switch self {
    case .auto: .fastest
    case .fp32: .fp32
    case .bf16 where Precision.bf16.isSupported: .bf16
    case .bf16:
      throw DalleError(
        .configuration, "`precision` is bf16, but this CPU has neither AVX512_BF16 nor AMX; set precision to auto or fp32")
    }
  }
}

/// The captioned images of a run: section `data`.
package struct DataConfig: Codable, Sendable, Equatable {
  package enum Kind: String, Codable, Sendable, CaseIterable {
    /// Scenes that the project renders itself, with their captions.
    case scenes
    /// The user's own images.
    case dataset
  }
  package var source: Kind = .scenes
  package var path = ""
  package var imageSize = 256
  package var scenes = 50_000
  package var validation = 500
  package var shardSamples = 2048
  package var frameSamples = 128
}

/// The tokenizer of captions: section `tokenizer`.
package struct TokenizerConfig: Codable, Sendable, Equatable {
  package var vocabulary = 16_384
  package var split = PreTokenizer.published
}

/// The discrete VAE, its shape and its training (paper sections 2.1 and A): section `dvae`.
package struct DVAEStageConfig: Codable, Sendable, Equatable {
  package struct Model: Codable, Sendable, Equatable {
    package var groups = 4
    package var blocksPerGroup = 2
    package var baseChannels = 256
    package var codebookDim = 128
    package var quantizer = QuantizerKind.gumbel
    package var vocabulary = 8192
    package var recompute = false
  }
  package var model = Model()
  package var training = TrainingConfig.dvae
  package var temperature = CosineRamp(from: 1, to: 0.0625, steps: 150_000)
  package var klWeight = CosineRamp(from: 0, to: 6.6, steps: 5_000)
  package var pixelNoise = 0
  package var cutMixProbability = 0.0
}

/// The dVAE's decoder, fine-tuned on its codes with a discriminator (Esser et al. 2021): section `decoder`.
package struct DecoderStageConfig: Codable, Sendable, Equatable {
  package struct Model: Codable, Sendable, Equatable {
    package var discriminatorChannels = 32
  }
  package var enabled = false
  package var model = Model()
  package var training = TrainingConfig.decoder
  package var startStep = 500
  package var adversarialWeight = 0.25
  package var featureWeight = 10.0
}

/// The transformer, its shape and its training (paper sections 2.2 and B): section `transformer`.
package struct TransformerStageConfig: Codable, Sendable, Equatable {
  package struct Model: Codable, Sendable, Equatable {
    package var architecture = TransformerArchitecture.published
    package var layers = 64
    package var heads = 62
    package var headSize = 64
    package var textLength = 0
    package var convolutionKernel = 11
    package var recompute = false
  }
  package var model = Model()
  package var training = TrainingConfig.transformer
  package var textLossShare = 0.125
  package var bpeDropout = 0.1
  package var captionDropout = 0.0
  package var dropout = 0.0
}

/// The CLIP that judges images, its shape and its training (Radford et al. 2021): section `clip`.
package struct CLIPStageConfig: Codable, Sendable, Equatable {
  package struct Model: Codable, Sendable, Equatable {
    package var patchSize = 8
    package var layers = 4
    package var heads = 4
    package var headSize = 48
    package var textLength = 32
    package var featureSize = 128
  }
  package var enabled = false
  package var model = Model()
  package var training = TrainingConfig.clip
}

/// How a model is trained, with the same settings for every model: sections `dvae.training`, `decoder.training`, `transformer.training`
/// and `clip.training`.
package struct TrainingConfig: Codable, Sendable, Equatable {
  package var steps: Int
  package var batch: Int
  package var microBatch: Int
  package var lr: LearningRateConfig
  package var adamw: AdamWConfig
  package var ema: EMAConfig
  package var logEvery = 20
  package var validateEvery = 1000
  package var patience = 0
  package var sampleEvery = 1000
  package var checkpointEvery = 1000
  package var keepLast = 2
  package var keepEvery = 0
  package var verifyEvery = 0
  package var maxSkipped = 20

  /// - Parameters:
  ///   - steps: updates of the weights.
  ///   - batch: samples of an update, over all ranks.
  ///   - microBatch: samples that a rank computes with at a time.
  package init(
    steps: Int, batch: Int, microBatch: Int, lr: LearningRateConfig, adamw: AdamWConfig = AdamWConfig(), ema: EMAConfig
  ) {
    (self.steps, self.batch, self.microBatch, self.lr, self.adamw, self.ema) = (steps, batch, microBatch, lr, adamw, ema)
  }

  /// Appendix A.2.
  static var dvae: TrainingConfig {
    var lr = LearningRateConfig()
    lr.peak = 1e-4
    lr.final = 1.25e-6
    lr.decaySteps = 1_200_000
    var adamw = AdamWConfig()
    adamw.beta2 = 0.999
    adamw.weightDecay = 1e-4
    adamw.clipNorm = 0
    adamw.varianceClip = 0
    return TrainingConfig(
      steps: 3_000_000, batch: 512, microBatch: 8, lr: lr, adamw: adamw, ema: EMAConfig(every: 1, decay: 0.999))
  }

  /// A third of what small dVAEs take. Decoder and discriminator are each other's moving target: short memories.
  static var decoder: TrainingConfig {
    var lr = LearningRateConfig()
    lr.schedule = .cosine
    lr.peak = 3e-4
    lr.final = 3e-5
    lr.warmupSteps = 100
    var adamw = AdamWConfig()
    adamw.beta1 = 0.5
    adamw.beta2 = 0.99
    adamw.weightDecay = 0
    adamw.clipNorm = 0
    adamw.varianceClip = 0
    return TrainingConfig(
      steps: 4000, batch: 16, microBatch: 8, lr: lr, adamw: adamw, ema: EMAConfig(every: 1, decay: 0.995))
  }

  /// For a small network: about 40 minutes on two cores with images of 48 pixels.
  static var clip: TrainingConfig {
    var lr = LearningRateConfig()
    lr.schedule = .cosine
    lr.peak = 1e-3
    lr.warmupSteps = 100
    var adamw = AdamWConfig()
    adamw.weightDecay = 0.1
    adamw.clipNorm = 1
    adamw.varianceClip = 0
    var training = TrainingConfig(
      steps: 2000, batch: 256, microBatch: 128, lr: lr, adamw: adamw, ema: EMAConfig(every: 10, decay: 0.95))
    training.validateEvery = 100
    return training
  }

  /// Appendix B.2.
  static var transformer: TrainingConfig {
    var lr = LearningRateConfig()
    lr.schedule = .plateau
    lr.peak = 4.5e-4
    lr.warmupSteps = 5000
    return TrainingConfig(
      steps: 430_000, batch: 1024, microBatch: 1, lr: lr, adamw: AdamWConfig(), ema: EMAConfig(every: 25, decay: 0.99))
  }
}

extension RunConfig {
  /// The models that the run trains.
  package var trainings: [(model: String, training: TrainingConfig)] {
    [("dvae", dvae.training)] + (decoder.enabled ? [("decoder", decoder.training)] : [])
      + [("transformer", transformer.training)] + (clip.enabled ? [("clip", clip.training)] : [])
  }
}

/// Exponential moving average of the weights: section `ema` of a model's training.
package struct EMAConfig: Codable, Sendable, Equatable {
  package var every: Int
  package var decay: Double
  package var format = EMAFormat.fp32

  /// - Parameter every: updates between two additions to the average; 0 for none.
  package init(every: Int, decay: Double) { (self.every, self.decay) = (every, decay) }

  package var average: ExponentialMovingAverage { ExponentialMovingAverage(every: every, decay: decay, format: format) }
}

/// How work and memory are divided: section `parallel`.
package struct ParallelConfig: Codable, Sendable, Equatable {
  package var ranksPerNode = 0
  package var gradientBlocks = 0
  package var shard = ShardLayout.node
  package var exchange = ExchangeFormat.fp32
  package var powersgd = PowerSGDConfig()
  package var localUpdates = 0
  package var outer = OuterConfig()
}

/// How a run is watched: section `monitoring`.
package struct MonitoringConfig: Codable, Sendable, Equatable {
  package var hangAfter = 300
  package var abortAfter = 1800
}
