import Errors
import Foundation
import Models
import Testing

@testable import Training

private func message(_ yaml: String, _ overrides: [String] = []) -> String {
  do {
    _ = try ConfigFile.parse(yaml, name: "run.yaml", overrides: overrides)
    return "no error"
  } catch { return "\(error)" }
}

extension RunConfig {
  /// Keys of whole numbers.
  fileprivate static let integers = keys.keys.sorted().filter { if case .integer? = keys[$0]?.values { true } else { false } }
}

@Suite struct ConfigurationTests {
  private static let process = ProcessMemory(threads: 1, held: 10_000_000)

  @Test func fileAndOptionsChangeTheDefaults() throws {
    let config = try ConfigFile.parse(
      "seed: 9\ndvae:\n  model: {baseChannels: 64}\ntransformer:\n", name: "run.yaml",
      overrides: ["transformer.training.lr.schedule=cosine", "dvae.model.baseChannels=32", "sampling.topP=0.9"])
    var expected = RunConfig()
    expected.seed = 9
    expected.dvae.model.baseChannels = 32
    expected.transformer.training.lr.schedule = .cosine
    expected.sampling.topP = 0.9
    #expect(config == expected)
    #expect(try ConfigFile.parse("", name: "run.yaml") == RunConfig())
    #expect(try ConfigFile.parse(config.yaml(), name: "again.yaml") == config)
  }

  @Test func publishedSystemIsTheDefault() throws {
    let config = RunConfig()
    #expect(config.dvae.training.lr.decaySteps == 1_200_000 && config.dvae.training.steps == 3_000_000)
    #expect(config.dvaeConfig.grid == 32 && config.dvaeConfig.vocabulary == 8192)
    let transformer = config.transformerConfig(textVocabulary: 16_384)
    #expect(transformer.width == 3968 && transformer.length == 1280)
    #expect(config.transformer.training.adamw.beta2 == 0.96 && config.transformer.training.batch == 1024)
    #expect(config.dvae.klWeight.value(at: 5000) == 6.6 && config.dvae.temperature.value(at: 150_000) == 0.0625)
  }

  @Test(arguments: [
    ("dvae:\n  modle: {groups: 3}", "run.yaml:2: unknown key `dvae.modle`; did you mean `dvae.model`?"),
    ("sed: 1", "run.yaml:1: unknown key `sed`; did you mean `seed`?"),
    ("seed: many", "run.yaml:1: `seed` is `many`, which is not a whole number"),
    ("data:\n  source: scens", "run.yaml:2: `data.source` is `scens`; it takes one of scenes, dataset; did you mean `scenes`?"),
    (
      "dvae: 3",
      "run.yaml:1: `dvae` is a section with the keys cutMixProbability, klWeight, model, pixelNoise, temperature, training, not a value or a list"
    ),
    ("transformer:\n  model:\n    layers: 0", "run.yaml:3: `transformer.model.layers` is 0; it must lie between 1 and 1024"),
    ("data: {shardSamples: 0}", "run.yaml:1: `data.shardSamples` is 0; it must lie between 1 and 100000000 (samples)"),
    ("data:\n  frameSamples: 4096", "run.yaml:2: `data.frameSamples` is 4096; it must be at most `data.shardSamples`, 2048"),
    ("dvae: {temperature: {to: 0}}", "run.yaml:1: `dvae.temperature.to` is 0; it must be above 0"),
    ("sampling: {topP: .nan}", "run.yaml:1: `sampling.topP` is .nan; it must be above 0 and at most 1"),
    ("dvae: {model: {recompute: 3}}", "run.yaml:1: `dvae.model.recompute` is `3`, which is not true or false"),
    ("parallel: {gradientBlocks: 2}", "run.yaml:1: `parallel.gradientBlocks` is 2; it must be 0 or at least 3"),
    (
      "parallel: {localUpdates: -1}", "run.yaml:1: `parallel.localUpdates` is -1; it must lie between 0 and 1000000000 (steps)"
    ),
    (
      "parallel:\n  exchange: powersgd\n  localUpdates: 50",
      "run.yaml:3: `parallel.localUpdates` is 50; with `parallel.exchange: powersgd` it must be 0, since factors of gradients are exchanged in "
        + "every step: set one of the two"
    ),
    (
      "transformer:\n  training:\n    validateEvery: 0\n    patience: 5",
      "run.yaml:4: `transformer.training.patience` is 5; it counts validations, so `transformer.training.validateEvery` must not be 0"
    ),
    ("parallel: {outer: {momentum: 1}}", "run.yaml:1: `parallel.outer.momentum` is 1; it must be at least 0 and below 1"),
    ("parallel: {outer: {momentum: -0.1}}", "run.yaml:1: `parallel.outer.momentum` is -0.1; it must be at least 0 and below 1"),
    ("parallel: {outer: {lr: 0}}", "run.yaml:1: `parallel.outer.lr` is 0; it must be above 0"),
    (
      "data: {imageSize: 100}",
      "run.yaml: the dVAE's imageSize is 100; with 4 groups it must be a multiple of 8 = 2^(groups - 1); change the keys below `dvae.model`, or `data.imageSize`"
    ),
    (
      "transformer: {model: {heads: 3, headSize: 5}}",
      "run.yaml: the transformer's heads · headSize is 3 · 5 = 15; it must be a multiple of 16; change the keys below `transformer.model`, "
        + "or the dVAE's grid"
    ),
    (
      "data: {source: dataset}",
      "run.yaml: `data.path` is empty; with `data.source: dataset` it names a dataset, a folder, a manifest or archives"
    ),
    ("seed: [1, 2]", "run.yaml:1: `seed` takes one value, not a list or a section"),
    (
      "[1, 2]",
      "run.yaml:1: a configuration is a section with the keys clip, data, decoder, dvae, monitoring, parallel, precision, sampling, seed, tokenizer, transformer, not a value or a list"
    ),
  ])
  func mistakesAreNamed(yaml: String, expected: String) {
    #expect(message(yaml) == expected)
  }

  /// Each node's update is a mean over its own samples.
  @Test func localUpdatesNeedASampleOnEveryRank() throws {
    var config = RunConfig()
    config.dvae.training.batch = 7
    try config.validate(ranks: 8)
    config.parallel.localUpdates = 50
    try config.validate(ranks: 7)
    #expect { try config.validate(ranks: 8) } throws: {
      "\($0)".contains(
        "`dvae.training.batch` is 7; with `parallel.localUpdates` every rank needs a sample, so it must be at least 8")
    }
  }

  /// Outer weights and momentum, in fp32, and a copy of the weights to evaluate, where there is no EMA.
  @Test func localUpdatesTakeTwoMoreArraysAndSendLessOften() throws {
    func plan(_ localUpdates: Int, _ ema: Int) -> Plan {
      var config = RunConfig()
      config.precision = .fp32
      config.transformer.model.layers = 2
      config.transformer.training.ema.every = ema
      config.parallel.localUpdates = localUpdates
      return Plan(config, ranks: 4, ranksPerNode: 2, process: Self.process)
    }
    let values = Transformer.table(plan(0, 1).config.transformerConfig(textVocabulary: 16_384)).floatCount
    for ema in [0, 1] {
      #expect(try plan(50, ema).memory(of: "transformer").shared - plan(0, ema).memory(of: "transformer").shared == 8 * values)
    }
    let text = try plan(50, 1).text()
    #expect(text.contains("sent per node every 50 steps (") && text.contains("moments, EMA, outer weights and momentum"))
  }

  @Test func optionsAreChecked() {
    #expect(message("", ["seed"]) == "--set seed: expected key.path=value, such as --set seed=2")
    #expect(message("", ["dvae.model.baseChannels=6"]).contains("the dVAE's baseChannels is 6; it must be a multiple of 4"))
    #expect(message("a: [1").hasPrefix("run.yaml: not valid YAML"))
    #expect(message("", ["transformer.training.batchh=3"]).contains("did you mean `transformer.training.batch`?"))
  }

  @Test(arguments: [
    ("dvae:\n  noise: 3", "run.yaml:2: `dvae.noise` is now `dvae.pixelNoise`; rename it"),
    (
      "transformer:\n  training:\n    rate: {peak: 1, course: cosine}",
      "run.yaml:3: `transformer.training.rate.peak` is now `transformer.training.lr.peak`; rename it"
    ),
    ("dvae: {training: {rate: 3}}", "run.yaml:1: `dvae.training.rate` is now `dvae.training.lr`; rename it"),
    ("dvae: {model: {hidden: 3}}", "run.yaml:1: `dvae.model.hidden` is now `dvae.model.baseChannels`; rename it"),
  ])
  func oldKeysAreRefusedWithTheirNewName(yaml: String, expected: String) { #expect(message(yaml) == expected) }

  @Test func oldKeysInOptionsAreRefusedToo() {
    #expect(
      message("", ["dvae.training.averageEvery=2"])
        == "--set dvae.training.averageEvery=2: `dvae.training.averageEvery` is now `dvae.training.ema.every`; rename it")
  }

  /// Neither may a number that is too large for its key, nor for an Int, stop the program.
  @Test(arguments: ["9223372036854775807", "100000000", "92233720368547758070", "-9223372036854775808", "0", "1.5", ""])
  func impossibleBatchesAreRefused(value: String) {
    #expect(message("", ["transformer.training.batch=\(value)"]).contains("`transformer.training.batch` is"))
  }

  /// The largest shapes that are allowed can be planned.
  @Test func largestShapesArePlannedWithoutOverflow() throws {
    let config = try ConfigFile.parse(
      "", name: "run.yaml",
      overrides: [
        "transformer.model.layers=32", "transformer.model.heads=1024", "transformer.model.headSize=1024",
        "transformer.training.batch=1048576", "transformer.training.microBatch=65536", "dvae.model.baseChannels=8192",
        "dvae.model.blocksPerGroup=64", "dvae.training.microBatch=65536", "dvae.training.batch=1048576", "precision=fp32",
      ])
    #expect(try Plan(config, ranks: 65_536, ranksPerNode: 65_536, process: Self.process).text().contains("per node"))
  }

  /// Every whole number, at the ends of its range and beyond, is planned or refused by name; none stops the program.
  @Test(arguments: RunConfig.integers) func noWholeNumberOverflows(key: String) {
    guard case .integer(let range)? = RunConfig.keys[key]?.values else { return }
    let beyond = [
      range.lowerBound.subtractingReportingOverflow(1).partialValue, range.upperBound.addingReportingOverflow(1).partialValue,
    ]
    for value in [range.lowerBound, range.upperBound, 0, -1, .max, .min] + beyond {
      do {
        // Small models are planned in less time.
        let small = ["data.imageSize=128", "dvae.model.baseChannels=32", "transformer.model.layers=2", "transformer.model.heads=4"]
        let overrides = small + ["clip.enabled=true", "precision=fp32", "\(key)=\(value)"]
        let config = try ConfigFile.parse("", name: "run.yaml", overrides: overrides)
        #expect(range.contains(value))
        #expect(try Plan(config, ranks: 3, ranksPerNode: 3, process: Self.process).text().contains("per node"))
      } catch {
        // A shape can be refused as a whole.
        #expect("\(error)".contains("`\(key)` is \(value)") || "\(error)".contains("run.yaml: "), "\(error)")
      }
    }
  }

  /// Batches are memory, too: a million images of 256 x 256 pixels, five batches of them.
  @Test func largeBatchesAreRefusedForTheirMemory() throws {
    let config = try ConfigFile.parse("", name: "run.yaml", overrides: ["dvae.training.batch=1048576", "precision=fp32"])
    #expect(try Plan(config, ranks: 2, ranksPerNode: 2, process: Self.process).text().contains("batches 515 GB"))
    #expect { try Plan(config, ranks: 2, ranksPerNode: 2, process: Self.process).checkMemory() } throws: {
      "\($0)".contains("515 GB for batches")
    }
  }

  /// Every configuration that comes with the project is one, and every cluster.
  @Test func shippedConfigurationsAreValid() throws {
    let folder = #filePath.replacingOccurrences(of: "Tests/TrainingTests/ConfigurationTests.swift", with: "Configs")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(names.count >= 2)
    for name in names where !name.hasPrefix("cluster") { _ = try ConfigFile.load("\(folder)/\(name)") }
    let published = try ConfigFile.load("\(folder)/published.yaml")
    for name in names where name.hasPrefix("cluster") { try ClusterFile("\(folder)/\(name)").validate(published) }
  }

  /// The order of the dVAE's samples: every epoch has each once, in a different order.
  @Test(arguments: [1, 2, 97, 1024]) func everyEpochHasEachPictureOnce(count: Int) {
    let epochs = (0..<3).map { epoch in (0..<count).map { SampleNumber.at(epoch * count + $0, count: count, seed: 4) } }
    for epoch in epochs { #expect(epoch.sorted() == Array(0..<count)) }
    if count > 10 { #expect(Set(epochs).count == 3 && !epochs.contains(Array(0..<count))) }
  }

  @Test func shapesOfARunAreCompared() throws {
    var now = RunConfig()
    now.dvae.model.baseChannels = 64
    let change = try now.firstChange(from: RunConfig(), keys: ["seed", "dvae.model"])
    #expect(change?.key == "dvae.model.baseChannels" && change?.before == "256" && change?.now == "64")
    #expect(try now.firstChange(from: RunConfig(), keys: ["seed", "transformer"]) == nil)
  }
}
