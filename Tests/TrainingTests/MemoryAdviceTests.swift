import Errors
import Testing

@testable import Training

/// What `--plan` and the check before training say where memory is short: the first change that makes the training fit, and that it does.
@Suite struct MemoryAdviceTests {
  private static let process = ProcessMemory(threads: 1, held: 10_000_000)

  /// A transformer that takes much more than the dVAE.
  private func config(_ overrides: String...) throws -> RunConfig {
    try ConfigFile.parse(
      "", name: "run.yaml",
      overrides: [
        "precision=fp32", "transformer.model.layers=24", "transformer.model.heads=28", "transformer.model.headSize=64",
        "transformer.training.batch=16", "transformer.training.microBatch=2", "transformer.training.sampleEvery=0",
        "dvae.model.baseChannels=32", "dvae.training.batch=8", "dvae.training.microBatch=1",
      ] + overrides)
  }

  private func plan(_ config: RunConfig, nodes: Int = 1, ranksPerNode: Int = 2, available: Int?) -> Plan {
    Plan(config, ranks: nodes * ranksPerNode, ranksPerNode: ranksPerNode, process: Self.process, available: available)
  }

  private func needed(_ config: RunConfig, nodes: Int = 1, ranksPerNode: Int = 2) throws -> Int {
    // Where nothing is known of the machine, a rank holds the gradients of all blocks.
    try plan(config, nodes: nodes, ranksPerNode: ranksPerNode, available: nil).memory(of: "transformer").needed
  }

  /// The advice where so much is available, from the check before training, which `--plan` repeats.
  private func advice(_ config: RunConfig, nodes: Int = 1, ranksPerNode: Int = 2, available: Int) throws -> String {
    let plan = plan(config, nodes: nodes, ranksPerNode: ranksPerNode, available: available)
    let error = #expect(throws: DalleError.self) { try plan.checkMemory() }
    let text = try plan.text()
    let advice = text.split(separator: "\n").first { $0.contains("TOO LARGE") }?.dropFirst("  TOO LARGE    ".count) ?? ""
    let message = "\(try #require(error))"
    #expect(!advice.isEmpty && message.hasSuffix(advice), "\(message)")
    return String(advice)
  }

  /// A change in keys, as a user makes it.
  private func expect(
    _ overrides: [String], of config: RunConfig, nodes: Int = 1, ranksPerNode: Int = 2,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let set = try ConfigFile.parse(config.yaml(), name: "run.yaml", overrides: overrides)
    let needed = try needed(set, nodes: nodes, ranksPerNode: ranksPerNode)
    let keys = overrides.map { $0.replacing("=", with: ": ") }
    let list = keys.count > 1 ? "\(keys.dropLast().joined(separator: ", ")) and \(keys.last!)" : keys[0]
    // Just enough for the change, but for rounding.
    let advice = try advice(config, nodes: nodes, ranksPerNode: ranksPerNode, available: needed + 1_000_000)
    #expect(advice == "Set \(list): it then needs \(Plan.scaled(needed))", sourceLocation: sourceLocation)
    try plan(set, nodes: nodes, ranksPerNode: ranksPerNode, available: needed + 1_000_000).checkMemory()
  }

  @Test func gradientsOfFewerBlocks() throws { try expect(["parallel.gradientBlocks=3"], of: config("parallel.gradientBlocks=12")) }

  /// Where it is not configured, the ring is as short as it must be before anything is too large.
  @Test func theRingIsShortByItself() throws {
    let config = try config()
    let short = try needed(self.config("parallel.gradientBlocks=3"))
    try plan(config, available: short + 1_000_000).checkMemory()
    let memory = try plan(config, available: short + 1_000_000).memory(of: "transformer")
    #expect(memory.gradientBlocks == 3 && memory.needed == short)
    #expect(try !advice(config, available: short - 1_000_000).contains("gradientBlocks"))
  }

  /// A transformer's images of samples take its weights once more, and KV caches.
  @Test func noSamples() throws {
    try expect(
      ["transformer.training.sampleEvery=0"], of: config("parallel.gradientBlocks=3", "transformer.training.sampleEvery=100"))
  }

  @Test func smallerMicroBatches() throws {
    try expect(["transformer.training.microBatch=1"], of: config("parallel.gradientBlocks=3"))
  }

  @Test func recomputation() throws {
    try expect(["transformer.model.recompute=true"], of: config("parallel.gradientBlocks=3", "transformer.training.microBatch=1"))
  }

  @Test func momentsInBF16() throws {
    let small = try config("parallel.gradientBlocks=3", "transformer.training.microBatch=1", "transformer.model.recompute=true")
    try expect(["transformer.training.adamw.moments=bf16"], of: small)
  }

  @Test func noEMA() throws {
    try expect(
      ["transformer.training.ema.every=0"],
      of: config(
        "parallel.gradientBlocks=3", "transformer.training.microBatch=1", "transformer.model.recompute=true",
        "transformer.training.adamw.moments=bf16"))
  }

  /// In bf16 it is as good as none of it in fp32 where models read fp32.
  @Test func emaInBF16() throws {
    let keys = [
      "precision=bf16", "parallel.gradientBlocks=3", "transformer.training.microBatch=1", "transformer.model.recompute=true",
    ]
    func config(_ more: String...) throws -> RunConfig {
      try ConfigFile.parse(self.config().yaml(), name: "run.yaml", overrides: keys + more)
    }
    try expect(["transformer.training.ema.format=bf16"], of: config("transformer.training.adamw.moments=bf16"))
    try expect(["transformer.training.adamw.moments=bf16", "transformer.training.ema.format=bf16"], of: config())
    // Without an EMA its format does not matter.
    try expect(["transformer.training.adamw.moments=bf16", "transformer.training.ema.every=0"], of: config())
  }

  @Test func severalChanges() throws {
    try expect(
      ["transformer.model.recompute=true", "transformer.training.adamw.moments=bf16", "transformer.training.ema.every=0"],
      of: config("parallel.gradientBlocks=3", "transformer.training.microBatch=1"))
  }

  @Test func spreadStateOfSeveralNodes() throws {
    try expect(["parallel.shard=world"], of: config("parallel.gradientBlocks=3"), nodes: 4)
    // A configuration that spreads already has nothing to gain; nor may one with local updates spread.
    for key in ["parallel.shard=world", "parallel.localUpdates=10"] {
      let config = try config("parallel.gradientBlocks=3", key)
      let advice = try advice(config, nodes: 4, available: needed(config, nodes: 4) / 10)
      #expect(!advice.contains("shard"), "\(advice)")
    }
  }

  @Test func fewerRanks() throws {
    let smallest = try config(
      "parallel.gradientBlocks=3", "transformer.training.microBatch=1", "transformer.model.recompute=true",
      "transformer.training.adamw.moments=bf16", "transformer.training.ema.every=0")
    for fewer in 1..<4 {
      let needed = try needed(smallest, ranksPerNode: fewer)
      let advice = try advice(smallest, ranksPerNode: 4, available: needed + 1_000_000)
      #expect(advice == "Start \(fewer) \(fewer == 1 ? "rank" : "ranks") per node: it then needs \(Plan.scaled(needed))")
      try plan(smallest, ranksPerNode: fewer, available: needed + 1_000_000).checkMemory()
    }
    // After everything that a configuration can save.
    let needed = try needed(smallest, ranksPerNode: 1)
    let all = try advice(
      config("parallel.gradientBlocks=3", "transformer.training.microBatch=1"), ranksPerNode: 4, available: needed + 1_000_000)
    #expect(
      all
        == "Set transformer.model.recompute: true, transformer.training.adamw.moments: bf16 and transformer.training.ema.every: 0, and start "
        + "1 rank per node: it then needs \(Plan.scaled(needed))")
    let none = try advice(smallest, ranksPerNode: 4, available: needed / 2)
    #expect(none == "Even with one rank per node it needs \(Plan.scaled(needed)): train a smaller model")
  }

  /// Images of a batch can be more than the model.
  @Test func smallerBatches() throws {
    let config = try ConfigFile.parse("", name: "run.yaml", overrides: ["dvae.training.batch=1048576", "precision=fp32"])
    let error = #expect(throws: DalleError.self) { try plan(config, available: 64_000_000_000).checkMemory() }
    let message = "\(try #require(error))"
    #expect(message.hasSuffix("set dvae.training.batch lower"), "\(message)")
  }
}
