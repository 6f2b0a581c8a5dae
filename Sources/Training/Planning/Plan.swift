import Foundation
import Kernels
import Layers
import Memory
import Models
import Optimization
import Parallel

/// What a run would take: parameters, FLOPs, memory, and how batches are cut; on a cluster that is described, time, too. Nothing is trained
/// or allocated.
package struct Plan {
  let config: RunConfig
  let ranks: Int
  let ranksPerNode: Int
  private let process: ProcessMemory
  /// Bytes.
  let available: Int?
  /// Nil for the ranks of this job.
  let cluster: Cluster?

  /// - Parameters:
  ///   - config: a validated one.
  ///   - process: of a rank.
  ///   - available: bytes that the node can give; nil where that is not known.
  package init(
    _ config: RunConfig, ranks: Int, ranksPerNode: Int, process: ProcessMemory, available: Int? = AvailableMemory.byteCount
  ) {
    self.init(config, ranks: ranks, ranksPerNode: ranksPerNode, process: process, available: available, cluster: nil)
  }

  /// - Parameter config: one that was validated for the cluster.
  package init(_ config: RunConfig, on cluster: Cluster, process: ProcessMemory) {
    self.init(
      config, ranks: cluster.ranks, ranksPerNode: cluster.ranksPerNode, process: process, available: cluster.memory,
      cluster: cluster)
  }

  private init(
    _ config: RunConfig, ranks: Int, ranksPerNode: Int, process: ProcessMemory, available: Int?, cluster: Cluster?
  ) {
    (self.config, self.ranks, self.ranksPerNode) = (config, ranks, ranksPerNode)
    (self.process, self.available, self.cluster) = (process, available, cluster)
  }

  var nodes: Int { ranks / ranksPerNode }

  /// - Throws: `DalleError` if this CPU cannot compute in the configured precision, and no other machine is described.
  func precision() throws -> Precision { try cluster?.precision(config.precision) ?? config.precision.resolved() }

  /// The plan of another configuration, with as many ranks per node or fewer.
  func with(_ config: RunConfig, ranksPerNode: Int? = nil) -> Plan {
    let ranksPerNode = ranksPerNode ?? self.ranksPerNode
    return Plan(
      config, ranks: nodes * ranksPerNode, ranksPerNode: ranksPerNode, process: process, available: available, cluster: cluster)
  }

  /// What to say of a configuration that names no size of a model, as an empty file does; nil for others.
  package var publishedSize: String? {
    let published = RunConfig()
    guard config.dvae.model == published.dvae.model, config.transformer.model == published.transformer.model else { return nil }
    let dvae = DVAEArchitecture(config.dvaeConfig).table.parameterCount
    let transformer = Transformer.table(config.transformerConfig(textVocabulary: config.tokenizer.vocabulary)).parameterCount
    return "names no size of a model, so this is the published system: a dVAE of \(dvae.formatted()) parameters, a transformer of "
      + "\(transformer.formatted()); `--plan` prints what it takes, Configs/ has smaller ones"
  }

  /// A model that a run trains.
  struct Model {
    /// The section of the configuration.
    let name: String
    let summary: String
    let table: ParameterTable
    let training: TrainingConfig
    /// FLOPs of one sample's forward and backward pass; and those that the backward pass has to do again.
    let flops, recomputedFLOPs: Double
    let memory: TrainingMemory
    let exchange: ExchangeCost
  }

  /// - Throws: `DalleError` if this CPU cannot compute in the configured precision.
  func models() throws -> [Model] {
    let precision = try precision()
    let dvae = config.dvaeConfig
    let architecture = DVAEArchitecture(dvae)
    let transformer = config.transformerConfig(textVocabulary: config.tokenizer.vocabulary)
    let transformerTable = Transformer.table(transformer)
    let patterns = Transformer.patterns(transformer)
    return [
      Model(
        name: "dvae",
        summary:
          "images of \(dvae.imageSize) x \(dvae.imageSize) pixels to \(dvae.grid) x \(dvae.grid) tokens of \(dvae.vocabulary)",
        table: architecture.table, training: config.dvae.training,
        flops: architecture.trainingFlops, recomputedFLOPs: dvae.recompute ? architecture.recomputedFlops : 0,
        memory: try memory(architecture.table, config.dvae.training, precision, sampleBytes: dvae.pixelValues) {
          try DVAE.activationBytes(dvae, batch: $0, precision: precision)
        }, exchange: exchange(of: architecture.table, precision))
    ] + (config.decoder.enabled ? [try decoder(precision)] : []) + [
      Model(
        name: "transformer",
        summary: "\(transformer.layers) layers, width \(transformer.width), "
          + "\(config.transformer.model.textLength == 0 ? "up to " : "")\(transformer.textLength) text tokens of "
          + "\(transformer.textVocabulary) at most + \(transformer.imageLength) image tokens",
        table: transformerTable, training: config.transformer.training,
        flops: transformer.trainingFlops(patterns: patterns), recomputedFLOPs: transformer.recomputedFlops(patterns: patterns),
        memory: memory(
          transformerTable, config.transformer.training, precision, sampleBytes: transformer.sampleBytes,
          sampleImageBytes: try SampleSheet.byteCount(
            transformer, dvae: dvae, sampling: config.sampling, precision: precision)
        ) {
          Transformer.activationBytes(transformer, batch: $0, precision: precision)
        }, exchange: exchange(of: transformerTable, precision))
    ] + (config.clip.enabled ? [clip(precision)] : [])
  }

  private func decoder(_ precision: Precision) throws -> Model {
    let decoder = config.decoderConfig
    let table = AdversarialDecoder.table(decoder)
    return Model(
      name: "decoder", summary: "the dVAE's decoder, and a discriminator of \(decoder.discriminatorChannels) channels",
      table: table,
      training: config.decoder.training, flops: AdversarialDecoder.trainingFlops(decoder), recomputedFLOPs: 0,
      memory: try memory(table, config.decoder.training, precision, sampleBytes: decoder.dvae.pixelValues) {
        try AdversarialDecoder.activationBytes(decoder, batch: $0, precision: precision)
      }, exchange: exchange(of: table, precision))
  }

  private func clip(_ precision: Precision) -> Model {
    let clip = config.clipConfig(textVocabulary: config.tokenizer.vocabulary)
    let table = CLIP.table(clip)
    return Model(
      name: "clip",
      summary:
        "two towers of \(clip.layers) layers, width \(clip.width): \(clip.grid) x \(clip.grid) patches, \(clip.textLength) text tokens of "
        + "\(clip.textVocabulary) at most, to \(clip.featureSize) values",
      table: table, training: config.clip.training, flops: clip.trainingFlops, recomputedFLOPs: 0,
      memory: memory(table, config.clip.training, precision, sampleBytes: clip.sampleBytes) {
        CLIP.activationBytes(clip, batch: $0, precision: precision)
      }, exchange: exchange(of: table, precision))
  }

  private func exchange(of table: ParameterTable, _ precision: Precision) -> ExchangeCost {
    ExchangeCost(config.exchange, table, precision: precision, nodes: nodes, ranksPerNode: ranksPerNode)
  }

  /// - Parameters:
  ///   - sampleBytes: of a loaded sample.
  ///   - sampleImageBytes: what it takes to make images of samples.
  ///   - activations: bytes per rank for a micro-batch of so many samples.
  private func memory(
    _ table: ParameterTable, _ training: TrainingConfig, _ precision: Precision, sampleBytes: Int, sampleImageBytes: Int = 0,
    activations: (_ samples: Int) throws -> Int
  ) rethrows -> TrainingMemory {
    // Bytes grow linearly with samples; a product of large whole numbers could overflow.
    let one = Double(try activations(1))
    let activationBytes = one + Double(training.microBatch - 1) * (Double(try activations(2)) - one)
    let exchange = exchange(of: table, precision)
    return TrainingMemory(
      table, state: state(training), precision: precision,
      activations: Int(min(activationBytes, 1e15)),
      batches: TrainingMemory.batchBytes(training, ranks: ranks, sampleBytes: sampleBytes), exchange: exchange.memory,
      samples: training.sampleEvery > 0 ? sampleImageBytes : 0, process: process, spread: exchange.spread,
      ranksPerNode: ranksPerNode, gradientBlocks: config.parallel.gradientBlocks,
      available: available)
  }

  /// The arrays that are kept beside the weights.
  func state(_ training: TrainingConfig) -> [StateArray] {
    AdamW(training.adamw).state + training.ema.average.state + config.exchange.state
  }

  func memory(of model: String) throws -> TrainingMemory { try models().first { $0.name == model }!.memory }

  func fits(_ memory: TrainingMemory) -> Bool {
    memory.fits(available: available, addressSpace: cluster == nil ? AvailableMemory.addressSpace : nil)
  }

  /// Throws if this node has too little memory for a stage of the run: before the first begins, not when its turn comes.
  package func checkMemory() throws {
    for model in try models() {
      try model.memory.check(model.name, available: available, addressSpace: AvailableMemory.addressSpace) {
        try advice(for: model.name, fits: fits)
      }
    }
  }

  /// - Throws: `DalleError` if this CPU cannot compute in the configured precision.
  package func text() throws -> String {
    let head = "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(ranksPerNode) per node, \(try precision().rawValue)"
    return try ([head] + models().map(text)).joined(separator: "\n\n")
  }

  /// Those of the rank with the most.
  func samplesPerRank(_ training: TrainingConfig) -> Int { (training.batch + ranks - 1) / ranks }
  func microBatches(_ training: TrainingConfig) -> Int {
    (samplesPerRank(training) + training.microBatch - 1) / training.microBatch
  }

  private func text(_ model: Model) throws -> String {
    let (training, memory) = (model.training, model.memory)
    let most = samplesPerRank(training)
    let microBatches = microBatches(training)
    let blocks = model.table.blocks.count
    let messages = memory.exchange == 0 ? "" : ", messages to other nodes \(Self.scaled(memory.exchange))"
    let samples = memory.samples == 0 ? "" : ", sample images of the first \(Self.scaled(memory.samples))"
    let kept =
      config.parallel.localUpdates > 0
      ? "moments, EMA, outer weights and momentum"
      : config.exchange.state.isEmpty ? "moments and EMA" : "moments, EMA and errors of compression"
    let first = config.parallel.powersgd.firstStep(warmupSteps: training.lr.warmupSteps)
    let network = model.exchange.nodes == 1 ? "" : "\n  network      \(model.exchange.text(config.exchange, firstStep: first))"
    let time = try timeText(model).map { "\n\($0)" } ?? ""
    let problem = fits(memory) ? "" : "\n  TOO LARGE    \(try advice(for: model.name, fits: fits))"
    let searchSteps = training.lr.searchSteps
    let search =
      searchSteps == 0 ? "" : ", after \(LearningRateSearch.shares.count) x \(searchSteps) in search of the learning rate"
    return """
      \(model.name): \(model.summary)
        parameters   \(model.table.parameterCount.formatted())
        FLOPs        \(Self.scaled(model.flops * Double(training.batch), "FLOP")) per step, \(training.steps) steps\(search)
        batch        \(training.batch) samples: \(most == training.batch ? "" : "at most ")\(most) per rank, in \(microBatches) \
      \(microBatches == 1 ? "micro-batch" : "micro-batches") of at most \(training.microBatch)
        per rank     \(Self.scaled(memory.perRank)): activations \(Self.scaled(memory.activations)), batches \(Self.scaled(memory.batches)), gradients \
      \(Self.scaled(memory.gradients)) (\(min(memory.gradientBlocks, blocks)) of \(blocks) blocks at a time)\(messages), program and libraries \(Self.scaled(memory.process.byteCount))
        per node     \(Self.scaled(memory.perNode)): its ranks, and weights, \(kept) \
      \(Self.scaled(memory.shared))\(samples); \(available.map(Self.scaled) ?? "unknown") available \(cluster == nil ? "here" : "there")\(network)\(time)\(problem)
      """
  }

  /// "12.3 GB"
  static func scaled(_ bytes: Int) -> String { scaled(Double(bytes), "B") }

  /// "12.3 %"
  static func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

  private static func scaled(_ value: Double, _ unit: String) -> String {
    var value = value
    for prefix in ["", "k", "M", "G", "T", "P"] {
      if value < 1000 { return String(format: value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value) + " \(prefix)\(unit)" }
      value /= 1000
    }
    return String(format: "%.0f", value) + " E\(unit)"
  }
}
