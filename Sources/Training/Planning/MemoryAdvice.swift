import Optimization

/// What to change first where a training needs more memory than there is.
extension Plan {
  /// A change of the configuration that saves memory.
  private struct Saving {
    let text: String
    let apply: (inout RunConfig) -> Void
  }

  /// Those that change no result come first, then those that cost least.
  private func savings(of model: String) -> [Saving] {
    let isDVAE = model == "dvae"
    let training: WritableKeyPath<RunConfig, TrainingConfig> = isDVAE ? \.dvae.training : \.transformer.training
    let recompute: WritableKeyPath<RunConfig, Bool> = isDVAE ? \.dvae.model.recompute : \.transformer.model.recompute
    let spread = nodes > 1 ? [Saving(text: "parallel.shard: world") { $0.parallel.shard = .world }] : []
    return [
      Saving(text: "parallel.gradientBlocks: 3") { $0.parallel.gradientBlocks = 3 }
    ] + spread + [
      Saving(text: "\(model).training.microBatch: 1") { $0[keyPath: training].microBatch = 1 },
      Saving(text: "\(model).model.recompute: true") { $0[keyPath: recompute] = true },
      Saving(text: "\(model).training.adamw.moments: bf16") {
        if $0[keyPath: training].adamw.moments == .fp32 { $0[keyPath: training].adamw.moments = .bf16 }
      },
      Saving(text: "\(model).training.ema.every: 0") { $0[keyPath: training].ema.every = 0 },
    ]
  }

  /// - Parameter fits: whether a training's memory can be had.
  func advice(for model: String, fits: (TrainingMemory) -> Bool) throws -> String {
    func memory(_ config: RunConfig) throws -> TrainingMemory { try with(config).memory(of: model) }
    let savings = savings(of: model)
    for saving in savings {
      var changed = config
      saving.apply(&changed)
      let memory = try memory(changed)
      if fits(memory) { return "Set \(saving.text): it then needs \(Self.scaled(memory.perNode))" }
    }
    var (changed, used, least) = (config, [String](), try memory(config))
    for saving in savings {
      var next = changed
      saving.apply(&next)
      let memory = try memory(next)
      guard memory.perNode < least.perNode else { continue }
      (changed, least) = (next, memory)
      used.append(saving.text)
      if fits(memory) { return "Set \(Self.list(used)): it then needs \(Self.scaled(memory.perNode))" }
    }
    let rest =
      (least.ranksPerNode > 1 ? "start fewer ranks per node, " : "") + "set \(model).training.batch lower, or train a smaller model"
    guard !used.isEmpty else { return rest.prefix(1).uppercased() + rest.dropFirst() }
    return "Even with \(Self.list(used)) it needs \(Self.scaled(least.perNode)): \(rest)"
  }

  private static func list(_ texts: [String]) -> String {
    texts.count > 1 ? "\(texts.dropLast().joined(separator: ", ")) and \(texts.last!)" : texts.joined()
  }
}
