import Generation
import Kernels
import Optimization
import Tokenizer

/// Everything that decides a run. The defaults are the published system; a YAML file or `--set` changes single keys.
/// The resolved configuration is printed, and saved in the run folder.
public struct RunConfig: Codable, Sendable, Equatable {
  /// Decides every random number of the run.
  public var seed = 1
  /// Format of both models' activations and products: `auto`, `fp32` or `bf16`.
  public var precision = PrecisionChoice.auto
  public var data = DataConfig()
  public var tokenizer = TokenizerConfig()
  public var dvae = DVAEStageConfig()
  public var transformer = TransformerStageConfig()
  /// How pictures are drawn during training.
  public var sampling = SamplingConfig()
  public var parallel = ParallelConfig()

  public init() {}
}

public enum PrecisionChoice: String, Codable, Sendable, CaseIterable {
  /// bf16 where the CPU multiplies it faster, else fp32.
  case auto
  case fp32, bf16

  /// - Throws: `ConfigError` for bf16 where this CPU would be slow with it.
  public func resolved() throws -> Precision {
    switch self {
    case .auto: .fastest
    case .fp32: .fp32
    case .bf16 where Precision.fastest == .bf16: .bf16
    case .bf16: throw ConfigError("`precision` is bf16, but this CPU has neither AVX512_BF16 nor AMX; use auto or fp32")
    }
  }
}

/// Where captioned pictures come from.
public struct DataConfig: Codable, Sendable, Equatable {
  public enum Source: String, Codable, Sendable, CaseIterable {
    /// Pictures that the project draws itself, with their captions.
    case scenes
    /// Pictures of one's own.
    case dataset
  }
  public var source: Source = .scenes
  /// For `dataset`: a folder that `dalle-prep collect` made, or a source that is collected when the run begins: a folder of
  /// pictures, a manifest, tar archives.
  public var path = ""
  /// Side of the square pictures in pixels, after cropping.
  public var imageSize = 256
  /// For `scenes`: training pictures to draw.
  public var scenes = 50_000
  /// Held-out pictures that are never trained on (`scenes`: drawn in addition; `dataset`: at most half of all, and
  /// without effect where the dataset is there already).
  public var validation = 500
  /// Samples per shard file.
  public var shardSamples = 2048
  /// Samples per independently compressed frame of a shard.
  public var frameSamples = 128
}

public struct TokenizerConfig: Codable, Sendable, Equatable {
  /// Tokens at most, 256 bytes included.
  public var vocabulary = 16_384
  /// How captions are cut before merging: `published` or `gpt2`.
  public var split = PreTokenizer.published
}

/// The discrete VAE: its shape and its training (paper sections 2.1 and A).
public struct DVAEStageConfig: Codable, Sendable, Equatable {
  public struct Model: Codable, Sendable, Equatable {
    /// Groups of blocks; the grid is `imageSize / 2^(groups-1)` wide.
    public var groups = 4
    public var blocksPerGroup = 2
    /// Channels of the first group (n_hid); each further group doubles them.
    public var hidden = 256
    /// Channels of the codebook vectors (n_init).
    public var codebookInit = 128
    /// Number of image tokens.
    public var vocabulary = 8192
    /// Keep only block inputs and compute activations again in the backward pass.
    public var recompute = false
  }
  public var model = Model()
  public var training = TrainingConfig.dvae
  /// Temperature of the Gumbel-softmax relaxation.
  public var temperature = CosineRamp(from: 1, to: 0.0625, steps: 150_000)
  /// Weight of the KL term (beta).
  public var klWeight = CosineRamp(from: 0, to: 6.6, steps: 5_000)
  /// Largest change of a byte by noise that training adds to its pictures. Photographs need none. On plain areas a model could be
  /// ever more certain, since the loss has no lower bound, and what it loses on the rest would stop to matter.
  public var noise = 0
  /// Probability that a rectangle of a training picture is replaced with that of another picture. Codes then stand for what is in
  /// their place, and not for other parts of a picture that tell of it; the transformer learns such codes from fewer pictures.
  public var mixing = 0.0
}

/// The autoregressive transformer: its shape and its training (paper sections 2.2 and B).
public struct TransformerStageConfig: Codable, Sendable, Equatable {
  public struct Model: Codable, Sendable, Equatable {
    public var layers = 64
    public var heads = 62
    public var headSize = 64
    /// Text positions; longer captions are cut.
    public var textLength = 256
    /// Width of the convolutional attention of the last layer; odd.
    public var convolutionKernel = 11
    /// Keep only block inputs and compute activations again in the backward pass.
    public var recompute = false
  }
  public var model = Model()
  public var training = TrainingConfig.transformer
  /// Share of the loss that text has; the rest is the image's.
  public var textLossShare = 0.125
  /// Probability that BPE skips a merge when a caption is encoded for training.
  public var bpeDropout = 0.1
  /// Probability that a caption is replaced by padding, which makes guidance possible.
  public var captionDropout = 0.0
}

/// How a model is trained: the same settings for every stage.
public struct TrainingConfig: Codable, Sendable, Equatable {
  /// Updates in all.
  public var steps: Int
  /// Samples per update over all ranks.
  public var batch: Int
  /// Samples that one rank computes at a time; more are accumulated.
  public var microBatch: Int
  public var rate: RateConfig
  public var adamw: AdamWConfig
  /// Iterate averaging: every `averageEvery` updates, with this decay.
  public var averageEvery: Int
  public var averageDecay: Double
  /// Updates between log lines on the console.
  public var logEvery = 20
  /// Updates between validations; 0 for none.
  public var validateEvery = 1000
  /// Updates between sample pictures; 0 for none.
  public var sampleEvery = 1000
  /// Updates between checkpoints.
  public var checkpointEvery = 1000
  /// Newest checkpoints that are kept.
  public var keepLast = 2
  /// Checkpoints at multiples of this many updates are kept for ever; 0 for none.
  public var keepEvery = 0
  /// Updates between checks that all ranks hold the same weights; 0 checks at the start only.
  public var verifyEvery = 0

  /// Appendix A.2.
  static var dvae: TrainingConfig {
    var rate = RateConfig()
    rate.peak = 1e-4
    rate.final = 1.25e-6
    var adamw = AdamWConfig()
    adamw.beta2 = 0.999
    adamw.weightDecay = 1e-4
    adamw.clipNorm = 0
    adamw.varianceClip = 0
    return TrainingConfig(
      steps: 3_000_000, batch: 512, microBatch: 8, rate: rate, adamw: adamw, averageEvery: 1, averageDecay: 0.999)
  }

  /// Appendix B.2.
  static var transformer: TrainingConfig {
    var rate = RateConfig()
    rate.course = .plateau
    rate.peak = 4.5e-4
    rate.warmup = 5000
    return TrainingConfig(
      steps: 430_000, batch: 1024, microBatch: 1, rate: rate, adamw: AdamWConfig(), averageEvery: 25, averageDecay: 0.99)
  }
}

public struct ParallelConfig: Codable, Sendable, Equatable {
  /// Ranks that share memory; 0 means all ranks of a machine. Smaller values split a machine into simulated nodes.
  public var ranksPerNode = 0
  /// Consecutive blocks of the model whose gradients a rank holds at a time, at least 3; 0: as many as memory allows.
  public var gradientBlocks = 0
}
