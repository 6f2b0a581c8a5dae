import Foundation
import Images
import Kernels
import MPI
import Models
import Monitoring
import Optimization
import Parallel
import Random
import Tokens
import Training

/// Throughput and memory of a training.
struct TrainingBench: Codable {
  var name: String
  var precision: Precision
  var parameters: Int
  var batch: Int
  /// Median seconds of a step.
  var seconds: Double
  /// Seconds from the start of the process to the end of the first step.
  var firstStep: Double
  /// Images, or tokens, per second.
  var throughput: Double
  var unit: String
  /// FLOPs per step.
  var flops: Double
  /// Seconds of a step by phase.
  var phases: [String: Double]
  /// Seconds of a step in kernels, on the coordinator.
  var kernels: [String: Double]
  /// Bytes that a node sends to others per step.
  var sent: Int
  /// Peak resident bytes of the largest rank.
  var peakMemory: Int

  static func transformer(
    _ reference: ReferenceShape.Transformer, batch: Int, precision: Precision, _ options: TrainingBenchOptions, repeats: Int,
    _ world: Communicator
  ) throws -> TrainingBench {
    let shape = reference.config
    let mine = ProcessGrid.share(of: batch, rank: world.rank, ranks: world.size)
    let model = try Transformer(shape, batch: max(1, mine.count), precision: precision)
    var random = RandomStream(seed: 1, UInt64(world.rank), 0, 0)
    func tokens(_ count: Int, _ vocabulary: Int) -> [Token] { (0..<count).map { _ in Token(random.integer(in: 0..<vocabulary)) } }
    let samples = TransformerBatch(
      text: mine.map { _ in tokens(shape.textLength, shape.textVocabulary) },
      image: tokens(mine.count * shape.imageLength, shape.imageVocabulary))
    let task = TransformerTask(
      model, textShare: 0.125, validation: samples, sampleGrid: { _ in Image(width: 1, height: 1, (0, 0, 0)) },
      load: { _, _ in samples })
    var config = RunConfig()
    config.transformer.training.batch = batch
    config.transformer.training.microBatch = max(1, mine.count)
    return try measure(
      task, config, config.transformer.training, samples, name: reference.rawValue, options, repeats: repeats, world)
  }

  static func dvae(
    _ shape: ReferenceShape.DVAE, batch: Int, precision: Precision, _ options: TrainingBenchOptions, repeats: Int,
    _ world: Communicator
  ) throws -> TrainingBench {
    let mine = ProcessGrid.share(of: batch, rank: world.rank, ranks: world.size)
    var config = shape.config
    config.dvae.training.batch = batch
    config.dvae.training.microBatch = max(1, mine.count)
    let task = try DVAETask(config, precision: precision, data: NoiseImages(size: config.data.imageSize)) { _ in }
    return try measure(
      task, config, config.dvae.training, task.load(0, mine), name: shape.rawValue, options,
      repeats: repeats, world)
  }

  private static func measure<Task: TrainingTask>(
    _ task: Task, _ config: RunConfig, _ training: TrainingConfig, _ batch: Task.Batch, name: String,
    _ options: TrainingBenchOptions, repeats: Int, _ world: Communicator
  ) throws -> TrainingBench {
    let grid = try ProcessGrid(world, ranksPerNode: options.ranksPerNode)
    let exchange = options.settings
    let optimizer = AdamW(training.adamw)
    let parameters = try NodeParameterStore(
      task.table, grid: grid, optimizer: optimizer, others: training.ema.average.state, precision: task.precision,
      gradientBlocks: options.gradientBlocks ?? task.table.blocks.count, exchange: exchange, overlaps: options.overlap)
    Communicator.waiting = { [clock = parameters.clock] in try clock.measure(.wait, $0) }
    try parameters.initialize(seed: 1)
    let step = TrainingStep(task, training, optimizer: optimizer, grid: grid, parameters: parameters)
    var state = try TrainingState(config, ranks: world.size, inputs: [:])
    var times: [PhaseSeconds] = []
    var first = 0.0
    let kernels = KernelClock()
    // The first two steps touch all memory and prepare oneDNN's primitives.
    for number in 0..<2 + repeats {
      func run() throws { _ = try step.run(batch, &state, stop: false) {} }
      parameters.clock.take()
      if number < 2 { try run() } else { try kernels.measure(run) }
      if number == 0 { first = processSeconds() }
      times.append(parameters.clock.take())
    }
    let median = times.dropFirst(2).sorted { $0.total < $1.total }[repeats / 2]
    var memory = [peakResidentBytes()]
    try world.allReduce(&memory, .maximum)
    return TrainingBench(
      name: name, precision: task.precision, parameters: task.table.parameterCount, batch: training.batch, seconds: median.total,
      firstStep: first, throughput: Double(training.batch) * task.unit.perSample / median.total, unit: "\(task.unit.name)/s",
      flops: Double(training.batch) * task.flops,
      phases: Dictionary(uniqueKeysWithValues: Phase.ofStep.map { ($0.name, median[$0]) }),
      kernels: kernels.seconds.mapValues { $0 / Double(repeats) },
      sent: ExchangeCost(
        exchange, task.table, precision: task.precision, nodes: grid.nodeCount, ranksPerNode: grid.node.size
      ).sent, peakMemory: memory[0])
  }

  /// Share of the GEMM peak that forward and backward passes reach.
  func efficiency(peak: Double) -> Double {
    flops / ([Phase.forward, .backward].reduce(0) { $0 + (phases[$1.name] ?? 0) }) / peak
  }

  func text(peak: Double) -> String {
    func share(_ part: Double) -> String { String(format: "%.1f %%", 100 * part / seconds) }
    func table(_ parts: [String: Double]) -> String {
      parts.sorted { $0.value > $1.value }.map { "\($0.key) \(share($0.value))" }.joined(separator: ", ")
    }
    return """
      \(name)  \(parameters.formatted()) parameters, \(batch) samples per step, \(precision.rawValue)
      step         \(String(format: "%.3f", seconds)) s; the first was finished \(String(format: "%.1f", firstStep)) s after the start
      throughput   \(String(format: throughput < 100 ? "%.2f" : "%.0f", throughput)) \(unit)
      FLOPs        \(String(format: "%.0f", flops / 1e9)) GFLOP per step, \(String(format: "%.0f", flops / seconds / 1e9)) GFLOP/s: \
      \(String(format: "%.1f", 100 * flops / seconds / peak)) % of GEMM peak, forward and backward alone \
      \(String(format: "%.1f", 100 * efficiency(peak: peak))) %
      phases       \(table(phases))
      kernels      \(table(kernels))
      network      \(String(format: "%.1f", Double(sent) / 1e6)) MB sent per node and step
      memory       \(String(format: "%.2f", Double(peakMemory) / 1e9)) GB peak per rank, shared memory included
      """
  }
}
