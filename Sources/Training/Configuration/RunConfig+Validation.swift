import Errors
import Yams

extension RunConfig {
  /// Checks every value by its key's declaration, and then what only several values together decide, the models' own limits included.
  ///
  /// - Parameter location: where a key's value was given, for messages; by default the key is all that is named.
  /// - Throws: `DalleError(.configuration)` for the first value that cannot work.
  package func validate(location: (_ key: String) -> String = { _ in "configuration" }) throws {
    func fail(_ key: String, _ problem: String) -> DalleError {
      DalleError(.configuration, "\(location(key)): `\(key)` \(problem)")
    }
    for (key, value) in try flattened() {
      guard let declaration = Self.keys[key] else { preconditionFailure("the configuration key \(key) is not declared") }
      if let problem = declaration.problem(with: Node(value)) { throw fail(key, problem) }
    }
    if data.frameSamples > data.shardSamples {
      throw fail("data.frameSamples", "is \(data.frameSamples); it must be at most `data.shardSamples`, \(data.shardSamples)")
    }
    if data.source == .dataset, data.path.isEmpty {
      throw fail("data.path", "is empty; with `data.source: dataset` it names a dataset, a folder, a manifest or archives")
    }
    for (model, training) in trainings
    where training.patience > 0 && training.validateEvery == 0 {
      throw fail(
        "\(model).training.patience",
        "is \(training.patience); it counts validations, so `\(model).training.validateEvery` must not be 0")
    }
    if 1...2 ~= parallel.gradientBlocks {
      throw fail("parallel.gradientBlocks", "is \(parallel.gradientBlocks); it must be 0 or at least 3")
    }
    if parallel.localUpdates > 0, parallel.exchange == .powersgd {
      throw fail(
        "parallel.localUpdates",
        "is \(parallel.localUpdates); with `parallel.exchange: powersgd` it must be 0, since factors of gradients are exchanged in every step: "
          + "set one of the two")
    }
    if parallel.localUpdates > 0, parallel.shard == .world {
      throw fail(
        "parallel.localUpdates",
        "is \(parallel.localUpdates); with `parallel.shard: world` it must be 0, since each node then has weights of its own: set one of the "
          + "two")
    }
    if monitoring.abortAfter > 0, monitoring.abortAfter < monitoring.hangAfter || monitoring.hangAfter == 0 {
      throw fail(
        "monitoring.abortAfter",
        "is \(monitoring.abortAfter); it must be 0 or at least `monitoring.hangAfter`, \(monitoring.hangAfter), which must not be 0"
      )
    }
    do {
      try dvaeConfig.validate()
    } catch {
      throw DalleError(
        .configuration, "\(location("dvae.model")): \(error); change the keys below `dvae.model`, or `data.imageSize`")
    }
    do {
      try transformerConfig(textVocabulary: tokenizer.vocabulary).validate()
    } catch {
      throw DalleError(
        .configuration, "\(location("transformer.model")): \(error); change the keys below `transformer.model`, or the dVAE's grid")
    }
    if decoder.enabled {
      do {
        try decoderConfig.validate()
      } catch {
        throw DalleError(.configuration, "\(location("decoder.model")): \(error); change `decoder.model.discriminatorChannels`")
      }
    }
    if clip.enabled {
      do {
        try clipConfig(textVocabulary: tokenizer.vocabulary).validate()
      } catch {
        throw DalleError(
          .configuration, "\(location("clip.model")): \(error); change the keys below `clip.model`, or `data.imageSize`")
      }
    }
  }

  /// Checks what the number of ranks decides.
  package func validate(ranks: Int) throws {
    guard parallel.localUpdates > 0 else { return }
    for (model, training) in trainings where training.batch < ranks {
      throw DalleError(
        .configuration,
        "configuration: `\(model).training.batch` is \(training.batch); with `parallel.localUpdates` every rank needs a sample, so it must be "
          + "at least \(ranks), the number of ranks")
    }
  }
}
