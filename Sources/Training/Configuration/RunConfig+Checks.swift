import Optimization

enum RateCourses {
  static let names = RateConfig.Course.allCases.map(\.rawValue)
}

extension RunConfig {
  struct Problem {
    let key: String
    let text: String
  }

  /// The first value that cannot work, or nil.
  func firstProblem() -> Problem? {
    var checks = Checks()
    checks.atLeast(0, seed, "seed")
    checks.range(8...4096, data.imageSize, "data.imageSize")
    checks.atLeast(1, data.scenes, "data.scenes")
    checks.atLeast(1, data.validation, "data.validation")
    checks.atLeast(1, data.shardSamples, "data.shardSamples")
    checks.range(1...max(1, data.shardSamples), data.frameSamples, "data.frameSamples")
    if data.source == .dataset, data.path.isEmpty {
      checks.fail("data.path", "is empty; with `data.source: dataset` it names a dataset, a folder, a manifest or archives")
    }
    checks.range(256...65_536, tokenizer.vocabulary, "tokenizer.vocabulary")

    let dvaeModel = dvae.model
    checks.range(1...8, dvaeModel.groups, "dvae.model.groups")
    checks.range(1...64, dvaeModel.blocksPerGroup, "dvae.model.blocksPerGroup")
    checks.range(4...8192, dvaeModel.hidden, "dvae.model.hidden")
    checks.multiple(of: 4, dvaeModel.hidden, "dvae.model.hidden")
    checks.range(1...8192, dvaeModel.codebookInit, "dvae.model.codebookInit")
    checks.range(2...65_536, dvaeModel.vocabulary, "dvae.model.vocabulary")
    let factor = 1 << max(0, min(dvaeModel.groups, 8) - 1)
    if data.imageSize % factor != 0 {
      checks.fail(
        "data.imageSize", "is \(data.imageSize); with \(dvaeModel.groups) dVAE groups it must be a multiple of \(factor)")
    }
    checks.ramp(dvae.temperature, "dvae.temperature")
    if dvae.temperature.from <= 0 || dvae.temperature.to <= 0 {
      checks.fail("dvae.temperature.to", "and `from` must be above 0")
    }
    checks.ramp(dvae.klWeight, "dvae.klWeight")
    checks.range(0...128, dvae.noise, "dvae.noise")
    checks.share(dvae.mixing, "dvae.mixing")
    checks.training(dvae.training, "dvae.training")

    let model = transformer.model
    checks.range(1...1024, model.layers, "transformer.model.layers")
    checks.range(1...1024, model.heads, "transformer.model.heads")
    checks.range(1...1024, model.headSize, "transformer.model.headSize")
    checks.range(1...4096, model.textLength, "transformer.model.textLength")
    checks.range(1...101, model.convolutionKernel, "transformer.model.convolutionKernel")
    if model.convolutionKernel % 2 == 0 {
      checks.fail("transformer.model.convolutionKernel", "is \(model.convolutionKernel); it must be odd")
    }
    checks.share(transformer.textLossShare, "transformer.textLossShare")
    checks.share(transformer.bpeDropout, "transformer.bpeDropout")
    checks.share(transformer.captionDropout, "transformer.captionDropout")
    checks.training(transformer.training, "transformer.training")

    if !(sampling.temperature >= 0) { checks.fail("sampling.temperature", "is \(sampling.temperature); at least 0") }
    checks.atLeast(0, sampling.topK, "sampling.topK")
    if !(sampling.topP > 0 && sampling.topP <= 1) {
      checks.fail("sampling.topP", "is \(sampling.topP); it must lie above 0 and not above 1")
    }
    checks.atLeast(0, parallel.ranksPerNode, "parallel.ranksPerNode")
    return checks.first
  }
}

private struct Checks {
  var first: RunConfig.Problem?

  mutating func fail(_ key: String, _ text: String) {
    if first == nil { first = RunConfig.Problem(key: key, text: text) }
  }

  mutating func atLeast(_ least: Int, _ value: Int, _ key: String) {
    if value < least { fail(key, "is \(value); it must be at least \(least)") }
  }

  mutating func range(_ range: ClosedRange<Int>, _ value: Int, _ key: String) {
    if !range.contains(value) {
      fail(key, "is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  mutating func multiple(of factor: Int, _ value: Int, _ key: String) {
    if value % factor != 0 { fail(key, "is \(value); it must be a multiple of \(factor)") }
  }

  mutating func share(_ value: Double, _ key: String) {
    if !(value >= 0 && value <= 1) { fail(key, "is \(value); it must lie between 0 and 1") }
  }

  mutating func ramp(_ ramp: CosineRamp, _ key: String) {
    atLeast(0, ramp.steps, "\(key).steps")
    if !ramp.from.isFinite { fail("\(key).from", "is not a finite number") }
    if !ramp.to.isFinite { fail("\(key).to", "is not a finite number") }
  }

  mutating func training(_ training: TrainingConfig, _ key: String) {
    atLeast(1, training.steps, "\(key).steps")
    atLeast(1, training.batch, "\(key).batch")
    atLeast(1, training.microBatch, "\(key).microBatch")
    let rate = training.rate
    if !(rate.peak > 0 && rate.peak.isFinite) { fail("\(key).rate.peak", "is \(rate.peak); it must be above 0") }
    if !(rate.final >= 0 && rate.final.isFinite) { fail("\(key).rate.final", "is \(rate.final); it must be at least 0") }
    atLeast(0, rate.warmup, "\(key).rate.warmup")
    atLeast(1, rate.plateauWindow, "\(key).rate.plateauWindow")
    atLeast(0, rate.halvings, "\(key).rate.halvings")
    for (name, beta) in [("beta1", training.adamw.beta1), ("beta2", training.adamw.beta2)]
    where !(beta >= 0 && beta < 1) {
      fail("\(key).adamw.\(name)", "is \(beta); it must be at least 0 and below 1")
    }
    if !(training.adamw.epsilon > 0) { fail("\(key).adamw.epsilon", "is \(training.adamw.epsilon); it must be above 0") }
    for (name, value) in [
      ("weightDecay", training.adamw.weightDecay), ("clipNorm", training.adamw.clipNorm),
      ("varianceClip", training.adamw.varianceClip),
    ] where !(value >= 0 && value.isFinite) {
      fail("\(key).adamw.\(name)", "is \(value); it must be at least 0")
    }
    atLeast(1, training.averageEvery, "\(key).averageEvery")
    share(training.averageDecay, "\(key).averageDecay")
    atLeast(1, training.logEvery, "\(key).logEvery")
    atLeast(0, training.validateEvery, "\(key).validateEvery")
    atLeast(0, training.sampleEvery, "\(key).sampleEvery")
    atLeast(1, training.checkpointEvery, "\(key).checkpointEvery")
    atLeast(1, training.keepLast, "\(key).keepLast")
    atLeast(0, training.keepEvery, "\(key).keepEvery")
    atLeast(0, training.verifyEvery, "\(key).verifyEvery")
  }
}
