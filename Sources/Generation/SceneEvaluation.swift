import Images
import Models
import Scenes

/// How well a model does on scenes that it was not trained on.
package struct SceneMetrics: Codable, Sendable {
  /// How the images were generated.
  package let seed: UInt64
  package let sampling: SamplingConfig
  /// Prompts of the validation split: each of their pairs of color and shape occurs in training.
  package var validation = SceneScore()
  /// Prompts with a pair of color and shape that never occurs in training.
  package var unseenPairs = SceneScore()
  /// Scenes of both kinds, encoded and decoded by the dVAE alone: the upper limit of the other two.
  package var validationReconstructed = SceneScore()
  package var unseenPairsReconstructed = SceneScore()
  /// Mean loss of the validation split's captions and of its images' tokens, in nats per token.
  package var textNats = 0.0
  package var imageNats = 0.0
  /// The dVAE on the validation split: peak signal-to-noise ratio in decibels, share of the codes that occur, perplexity of
  /// their frequencies.
  package var psnr = 0.0
  package var codesUsed = 0.0
  package var codePerplexity = 0.0
}

/// Measures a model on scenes.
package struct SceneEvaluation {
  package let metrics: SceneMetrics
  /// The first images of each kind of prompt, marked right or wrong.
  package let grid: Image

  /// - Parameters:
  ///   - prompts: of each kind, one image each.
  ///   - images: scenes of the validation split for loss and reconstruction.
  package init(
    _ bundle: ModelBundle, prompts: Int, images: Int, seed: UInt64, _ sampling: SamplingConfig,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws {
    var metrics = SceneMetrics(seed: seed, sampling: sampling)
    let scenes = SceneGenerator(seed: seed)
    let generator = try bundle.generator()
    var rows: [ImageGrid.Row] = []
    for (round, split) in [SceneSplit.validation, .unseenPairs].enumerated() {
      let descriptions = scenes.evaluationPrompts(prompts, split)
      let generated = try generator.generate(descriptions.map(\.words), count: 1, seed: seed, sampling) { done, total in
        progress(round * total + done, 2 * total)
      }
      for (index, (description, image)) in zip(descriptions, generated.joined()).enumerated() {
        let verdict = SceneChecker.check(image, against: description)
        if split == .validation { metrics.validation.add(verdict) } else { metrics.unseenPairs.add(verdict) }
        if index < 24 { rows.append(.init(caption: "\(verdict.isRight ? "✓" : "✗") \(description.words)", images: [image])) }
      }
    }
    let dvae = try DVAE(bundle.dvae, batch: 16, mode: .inference, precision: bundle.precision)
    metrics.unseenPairsReconstructed = try reconstruct((0..<images).map { scenes.scene($0, .unseenPairs) }, dvae, bundle).score
    try metrics.measureLosses(bundle, dvae, (0..<images).map { scenes.scene($0, .validation) })
    self.metrics = metrics
    grid = try ImageGrid.compose(rows, columns: 8)
  }
}

/// Scenes that the dVAE encoded and decoded.
private func reconstruct(
  _ scenes: [Scene], _ dvae: DVAE, _ bundle: ModelBundle
) throws -> (result: DVAE.Evaluation, score: SceneScore) {
  let result = try dvae.evaluate(scenes.map { $0.render(size: bundle.dvae.imageSize) }, bundle.dvaeWeights)
  var score = SceneScore()
  for (scene, copy) in zip(scenes, try dvae.decode(result.codes, bundle.dvaeWeights)) {
    score.add(SceneChecker.check(copy, against: scene.description))
  }
  return (result, score)
}

extension SceneMetrics {
  fileprivate mutating func measureLosses(_ bundle: ModelBundle, _ dvae: DVAE, _ scenes: [Scene]) throws {
    let (result, score) = try reconstruct(scenes, dvae, bundle)
    validationReconstructed = score
    psnr = result.loss.psnr(pixelValues: bundle.dvae.pixelValues)
    var usage = CodebookUsage(vocabulary: bundle.dvae.vocabulary)
    result.codes.withUnsafeBufferPointer { usage.add($0) }
    (codesUsed, codePerplexity) = (usage.used, usage.perplexity)

    let transformer = try Transformer(bundle.transformer, batch: 16, precision: bundle.precision)
    let batch = TransformerBatch(
      text: scenes.map { Array(bundle.tokenizer.encode($0.caption).prefix(bundle.transformer.textLength)) }, image: result.codes)
    var total = TransformerLoss()
    for first in stride(from: 0, to: scenes.count, by: transformer.batch) {
      total += try transformer.evaluate(
        batch.rows(first..<min(first + transformer.batch, scenes.count)), bundle.transformerWeights)
    }
    textNats = total.textNats / Double(max(1, total.textTokens))
    imageNats = total.imageNats / Double(max(1, total.imageTokens))
  }
}
