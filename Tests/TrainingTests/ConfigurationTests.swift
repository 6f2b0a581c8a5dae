import Foundation
import Testing

@testable import Training

private func message(_ yaml: String, _ overrides: [String] = []) -> String {
  do {
    _ = try ConfigFile.parse(yaml, name: "run.yaml", overrides: overrides)
    return "no error"
  } catch { return "\(error)" }
}

@Suite struct ConfigurationTests {
  @Test func fileAndOptionsChangeTheDefaults() throws {
    let config = try ConfigFile.parse(
      "seed: 9\ndvae:\n  model: {hidden: 64}\ntransformer:\n", name: "run.yaml",
      overrides: ["transformer.training.rate.course=cosine", "dvae.model.hidden=32", "sampling.topP=0.9"])
    var expected = RunConfig()
    expected.seed = 9
    expected.dvae.model.hidden = 32
    expected.transformer.training.rate.course = .cosine
    expected.sampling.topP = 0.9
    #expect(config == expected)
    #expect(try ConfigFile.parse("", name: "run.yaml") == RunConfig())
    #expect(try ConfigFile.parse(config.yaml(), name: "again.yaml") == config)
  }

  @Test func publishedSystemIsTheDefault() throws {
    let config = RunConfig()
    #expect(config.dvaeConfig.grid == 32 && config.dvaeConfig.vocabulary == 8192)
    let transformer = config.transformerConfig(textVocabulary: 16_384)
    #expect(transformer.width == 3968 && transformer.length == 1280)
    #expect(config.transformer.training.adamw.beta2 == 0.96 && config.transformer.training.batch == 1024)
    #expect(config.dvae.klWeight.value(at: 5000) == 6.6 && config.dvae.temperature.value(at: 150_000) == 0.0625)
  }

  @Test(arguments: [
    ("dvae:\n  modle: {hidden: 8}", "run.yaml:2: unknown key `dvae.modle`; did you mean `dvae.model`?"),
    ("sed: 1", "run.yaml:1: unknown key `sed`; did you mean `seed`?"),
    ("seed: many", "run.yaml:1: `seed` is `many`, which is not a whole number"),
    ("data:\n  source: scens", "run.yaml:2: `data.source` is `scens`; it takes one of scenes, dataset; did you mean `scenes`?"),
    ("dvae: 3", "run.yaml:1: `dvae` is a section with the keys klWeight, mixing, model, noise, temperature, training, not a value"),
    ("transformer:\n  model:\n    layers: 0", "run.yaml:3: `transformer.model.layers` is 0; it must lie between 1 and 1024"),
    ("data: {shardSamples: 0}", "run.yaml:1: `data.shardSamples` is 0; it must be at least 1"),
    ("data: {imageSize: 100}", "run.yaml:1: `data.imageSize` is 100; with 4 dVAE groups it must be a multiple of 8"),
    (
      "data: {source: dataset}",
      "run.yaml: `data.path` is empty; with `data.source: dataset` it names a dataset, a folder, a manifest or archives"
    ),
    ("seed: [1, 2]", "run.yaml:1: `seed` takes one value, not a list or a section"),
  ])
  func mistakesAreNamed(yaml: String, expected: String) {
    #expect(message(yaml) == expected)
  }

  @Test func optionsAreChecked() {
    #expect(message("", ["seed"]) == "--set seed: expected key.path=value")
    #expect(message("", ["dvae.model.hidden=6"]).contains("`dvae.model.hidden` is 6; it must be a multiple of 4"))
    #expect(message("a: [1").hasPrefix("run.yaml: not valid YAML"))
    #expect(message("", ["transformer.training.batchh=3"]).contains("did you mean `transformer.training.batch`?"))
  }

  /// The order of pictures for the dVAE: every epoch has each once, in another order.
  @Test(arguments: [1, 2, 97, 1024]) func everyEpochHasEachPictureOnce(count: Int) {
    let epochs = (0..<3).map { epoch in (0..<count).map { SampleNumber.at(epoch * count + $0, count: count, seed: 4) } }
    for epoch in epochs { #expect(epoch.sorted() == Array(0..<count)) }
    if count > 10 { #expect(Set(epochs).count == 3 && !epochs.contains(Array(0..<count))) }
  }

  @Test func shapesOfARunAreCompared() throws {
    var now = RunConfig()
    now.dvae.model.hidden = 64
    let change = try now.firstChange(from: RunConfig(), keys: ["seed", "dvae.model"])
    #expect(change?.key == "dvae.model.hidden" && change?.before == "256" && change?.now == "64")
    #expect(try now.firstChange(from: RunConfig(), keys: ["seed", "transformer"]) == nil)
  }
}
