import Optimization

/// What to change first where a training needs more memory than there is.
extension Plan {
  /// A change of the configuration that saves memory.
  private struct Saving {
    let text: String
    /// The text of one that is not needed beside it.
    var replaced: String?
    let apply: (inout RunConfig) -> Void
  }

  /// Those that change no result come first, then those that cost least.
  private func savings(of model: String) -> [Saving] {
    let training = training(of: model)
    // A CLIP learns from the pairs of a micro-batch.
    let fewest = model == "clip" ? min(32, config.clip.training.microBatch) : 1
    // With local updates each node has weights of its own.
    let spreads = nodes > 1 && config.parallel.localUpdates == 0
    let spread = spreads ? [Saving(text: "parallel.shard: world") { $0.parallel.shard = .world }] : []
    return [
      Saving(text: "parallel.gradientBlocks: 3") { $0.parallel.gradientBlocks = 3 }
    ] + spread + [
      Saving(text: "\(model).training.sampleEvery: 0") { $0[keyPath: training].sampleEvery = 0 },
      Saving(text: "\(model).training.microBatch: \(fewest)") { $0[keyPath: training].microBatch = fewest },
    ] + recomputing(model) + [
      Saving(text: "\(model).training.adamw.moments: bf16") {
        if $0[keyPath: training].adamw.moments == .fp32 { $0[keyPath: training].adamw.moments = .bf16 }
      },
      Saving(text: "\(model).training.ema.format: bf16") { $0[keyPath: training].ema.format = .bf16 },
      Saving(text: "\(model).training.ema.every: 0", replaced: "\(model).training.ema.format: bf16") {
        $0[keyPath: training].ema.every = 0
      },
    ]
  }

  private func recomputing(_ model: String) -> [Saving] {
    func saving(_ key: WritableKeyPath<RunConfig, Bool>) -> Saving {
      Saving(text: "\(model).model.recompute: true") { $0[keyPath: key] = true }
    }
    return switch model {
    case "dvae": [saving(\.dvae.model.recompute)]
    case "transformer": [saving(\.transformer.model.recompute)]
    default: []
    }
  }

  /// - Parameter fits: whether a training's memory can be had.
  func advice(for model: String, fits: (TrainingMemory) -> Bool) throws -> String {
    let savings = savings(of: model)
    for saving in savings {
      var changed = config
      saving.apply(&changed)
      let memory = try with(changed).memory(of: model)
      if fits(memory) { return "Set \(saving.text): it then needs \(Self.scaled(memory.needed))" }
    }
    var (changed, used, least) = (config, [String](), try memory(of: model))
    for saving in savings {
      var next = changed
      saving.apply(&next)
      let memory = try with(next).memory(of: model)
      guard memory.perNode < least.perNode else { continue }
      (changed, least) = (next, memory)
      used.removeAll { $0 == saving.replaced }
      used.append(saving.text)
      if fits(memory) { return "Set \(Self.list(used)): it then needs \(Self.scaled(memory.needed))" }
    }
    // More threads in fewer ranks.
    let set = used.isEmpty ? "" : "set \(Self.list(used)), and "
    var (fewest, most) = (0, ranksPerNode - 1)
    while fewest < most {
      let middle = (fewest + most + 1) / 2
      if fits(try with(changed, ranksPerNode: middle).memory(of: model)) { fewest = middle } else { most = middle - 1 }
    }
    if fewest > 0 {
      let needed = try with(changed, ranksPerNode: fewest).memory(of: model).needed
      return Self.sentence(
        "\(set)start \(fewest) \(fewest == 1 ? "rank" : "ranks") per node: it then needs \(Self.scaled(needed))")
    }
    let last = with(changed, ranksPerNode: 1)
    least = try last.memory(of: model)
    let means = (used.isEmpty ? [] : [Self.list(used)]) + (ranksPerNode > 1 ? ["one rank per node"] : [])
    changed[keyPath: training(of: model)].batch = nodes
    let isBatchTooLarge = fits(try last.with(changed).memory(of: model))
    let rest = isBatchTooLarge ? "set \(model).training.batch lower" : "train a smaller model"
    if means.isEmpty { return Self.sentence(rest) }
    return "Even with \(means.joined(separator: ", and ")) it needs \(Self.scaled(least.needed)): \(rest)"
  }

  private func training(of model: String) -> WritableKeyPath<RunConfig, TrainingConfig> {
    switch model {
    case "dvae": \.dvae.training
    case "decoder": \.decoder.training
    case "clip": \.clip.training
    default: \.transformer.training
    }
  }

  private static func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  private static func list(_ texts: [String]) -> String {
    texts.count > 1 ? "\(texts.dropLast().joined(separator: ", ")) and \(texts.last!)" : texts.joined()
  }
}
