import Errors
import Generation
import Kernels
import Optimization
import Tokenizer

/// Everything that decides a run. The defaults are the published system; a YAML file or `--set` changes single keys. What each key
/// does, its limits and its unit are declared in `RunConfig.sections`; `Docs/configuration.md` lists them.
///
/// The resolved configuration is saved in the run folder.
public struct RunConfig: Codable, Sendable, Equatable {
  public var seed = 1
  public var precision = PrecisionChoice.auto
  public var data = DataConfig()
  public var tokenizer = TokenizerConfig()
  public var dvae = DVAEStageConfig()
  public var transformer = TransformerStageConfig()
  public var sampling = SamplingConfig()
  public var parallel = ParallelConfig()

  public init() {}
}

/// Format of both models' activations and GEMMs.
public enum PrecisionChoice: String, Codable, Sendable, CaseIterable {
  /// bf16 where the CPU multiplies it faster, else fp32.
  case auto
  case fp32, bf16

  /// - Throws: `DalleError` for bf16 where this CPU would be slow with it.
  public func resolved() throws -> Precision {
    switch self {
    case .auto: .fastest
    case .fp32: .fp32
    case .bf16 where Precision.fastest == .bf16: .bf16
    case .bf16:
      throw DalleError(
        .configuration, "`precision` is bf16, but this CPU has neither AVX512_BF16 nor AMX; set precision to auto or fp32")
    }
  }
}

/// Where captioned images come from: section `data`.
public struct DataConfig: Codable, Sendable, Equatable {
  public enum Source: String, Codable, Sendable, CaseIterable {
    /// Images that the project renders itself, with their captions.
    case scenes
    /// The user's own images.
    case dataset
  }
  public var source: Source = .scenes
  public var path = ""
  public var imageSize = 256
  public var scenes = 50_000
  public var validation = 500
  public var shardSamples = 2048
  public var frameSamples = 128
}

/// The tokenizer of captions: section `tokenizer`.
public struct TokenizerConfig: Codable, Sendable, Equatable {
  public var vocabulary = 16_384
  public var split = PreTokenizer.published
}

/// The discrete VAE, its shape and its training (paper sections 2.1 and A): section `dvae`.
public struct DVAEStageConfig: Codable, Sendable, Equatable {
  public struct Model: Codable, Sendable, Equatable {
    public var groups = 4
    public var blocksPerGroup = 2
    public var baseChannels = 256
    public var codebookDim = 128
    public var vocabulary = 8192
    public var recompute = false
  }
  public var model = Model()
  public var training = TrainingConfig.dvae
  public var temperature = CosineRamp(from: 1, to: 0.0625, steps: 150_000)
  public var klWeight = CosineRamp(from: 0, to: 6.6, steps: 5_000)
  public var pixelNoise = 0
  public var cutMixProbability = 0.0
}

/// The transformer, its shape and its training (paper sections 2.2 and B): section `transformer`.
public struct TransformerStageConfig: Codable, Sendable, Equatable {
  public struct Model: Codable, Sendable, Equatable {
    public var layers = 64
    public var heads = 62
    public var headSize = 64
    public var textLength = 256
    public var convolutionKernel = 11
    public var recompute = false
  }
  public var model = Model()
  public var training = TrainingConfig.transformer
  public var textLossShare = 0.125
  public var bpeDropout = 0.1
  public var captionDropout = 0.0
}

/// How a model is trained, with the same settings for every model: sections `dvae.training` and `transformer.training`.
public struct TrainingConfig: Codable, Sendable, Equatable {
  public var steps: Int
  public var batch: Int
  public var microBatch: Int
  public var lr: LearningRateConfig
  public var adamw: AdamWConfig
  public var ema: EMAConfig
  public var logEvery = 20
  public var validateEvery = 1000
  public var sampleEvery = 1000
  public var checkpointEvery = 1000
  public var keepLast = 2
  public var keepEvery = 0
  public var verifyEvery = 0

  /// - Parameters:
  ///   - steps: updates of the weights.
  ///   - batch: samples of an update, over all ranks.
  ///   - microBatch: samples that a rank computes with at a time.
  public init(
    steps: Int, batch: Int, microBatch: Int, lr: LearningRateConfig, adamw: AdamWConfig = AdamWConfig(), ema: EMAConfig
  ) {
    (self.steps, self.batch, self.microBatch, self.lr, self.adamw, self.ema) = (steps, batch, microBatch, lr, adamw, ema)
  }

  /// Appendix A.2.
  static var dvae: TrainingConfig {
    var lr = LearningRateConfig()
    lr.peak = 1e-4
    lr.final = 1.25e-6
    var adamw = AdamWConfig()
    adamw.beta2 = 0.999
    adamw.weightDecay = 1e-4
    adamw.clipNorm = 0
    adamw.varianceClip = 0
    return TrainingConfig(
      steps: 3_000_000, batch: 512, microBatch: 8, lr: lr, adamw: adamw, ema: EMAConfig(every: 1, decay: 0.999))
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

/// Exponential moving average of the weights: section `ema` of a model's training.
public struct EMAConfig: Codable, Sendable, Equatable {
  public var every: Int
  public var decay: Double

  /// - Parameter every: updates between two additions to the average.
  public init(every: Int, decay: Double) { (self.every, self.decay) = (every, decay) }
}

/// How work and memory are divided: section `parallel`.
public struct ParallelConfig: Codable, Sendable, Equatable {
  public var ranksPerNode = 0
  public var gradientBlocks = 0
}
