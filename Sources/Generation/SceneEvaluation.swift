import Images
import Models
import Scenes

/// How well a model does on scenes that it never saw.
package struct SceneEvaluation: Codable, Sendable {
  /// Prompts whose descriptions are held out, but whose pairs of colour and shape are all trained on.
  package var seen = SceneScore()
  /// Prompts with a pair of colour and shape that is never trained on.
  package var neverSeen = SceneScore()
  /// Scenes of both kinds that the dVAE alone encoded and decoded: what the two others can reach.
  package var seenReconstructed = SceneScore()
  package var neverSeenReconstructed = SceneScore()
  /// Mean loss of held-out captions and of their images' tokens, in nats per token.
  package var textNats = 0.0
  package var imageNats = 0.0
  /// The dVAE on held-out images: peak signal-to-noise ratio in decibels, share of the codes that occur, perplexity of
  /// their frequencies.
  package var psnr = 0.0
  package var codesUsed = 0.0
  package var codePerplexity = 0.0

  /// Measures a model.
  ///
  /// - Parameters:
  ///   - prompts: of each kind, one image each.
  ///   - images: held-out scenes for loss and reconstruction.
  /// - Returns: the numbers, and a sheet of the first images of each kind, marked right or wrong.
  package static func run(
    _ bundle: ModelBundle, prompts: Int, images: Int, seed: UInt64, _ sampling: SamplingConfig,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> (evaluation: SceneEvaluation, sheet: Image) {
    var result = SceneEvaluation()
    let scenes = SceneGenerator(seed: seed)
    let generator = try bundle.generator()
    var sheet: [(caption: String, images: [Image])] = []
    for (round, split) in [SceneSplit.heldOut, .neverSeen].enumerated() {
      let descriptions = scenes.evaluationPrompts(prompts, split)
      let drawn = try generator.generate(descriptions.map(\.words), count: 1, seed: seed, sampling) { done, total in
        progress(round * total + done, 2 * total)
      }
      for (index, (description, image)) in zip(descriptions, drawn.joined()).enumerated() {
        let verdict = SceneChecker.check(image, against: description)
        if split == .heldOut { result.seen.add(verdict) } else { result.neverSeen.add(verdict) }
        if index < 24 { sheet.append(("\(verdict.isRight ? "✓" : "✗") \(description.words)", [image])) }
      }
    }
    let dvae = try DVAE(bundle.dvae, batch: 16, mode: .inference, precision: bundle.precision)
    result.neverSeenReconstructed = try reconstruct((0..<images).map { scenes.scene($0, .neverSeen) }, dvae, bundle).score
    try result.measureLosses(bundle, dvae, (0..<images).map { scenes.scene($0, .heldOut) })
    return (result, try ImageGrid.compose(sheet, columns: 8))
  }

  /// Scenes through the dVAE and back.
  private static func reconstruct(
    _ scenes: [Scene], _ dvae: DVAE, _ bundle: ModelBundle
  ) throws -> (loss: DVAELoss, codes: [UInt16], score: SceneScore) {
    let (loss, codes) = try dvae.evaluate(scenes.map { $0.draw(size: bundle.dvae.imageSize) }, bundle.dvaeWeights)
    var score = SceneScore()
    for (scene, copy) in zip(scenes, try dvae.decode(codes, bundle.dvaeWeights)) {
      score.add(SceneChecker.check(copy, against: scene.description))
    }
    return (loss, codes, score)
  }

  private mutating func measureLosses(_ bundle: ModelBundle, _ dvae: DVAE, _ scenes: [Scene]) throws {
    let (loss, codes, score) = try Self.reconstruct(scenes, dvae, bundle)
    seenReconstructed = score
    psnr = loss.psnr(pixelValues: bundle.dvae.pixelValues)
    var usage = CodebookUsage(vocabulary: bundle.dvae.vocabulary)
    codes.withUnsafeBufferPointer { usage.add($0) }
    (codesUsed, codePerplexity) = (usage.used, usage.perplexity)

    let transformer = try Transformer(bundle.transformer, batch: 16, precision: bundle.precision)
    let batch = TransformerBatch(
      text: scenes.map {
        bundle.tokenizer.encode($0.caption).prefix(bundle.transformer.textLength).map(Int32.init)
      }, image: codes.map(Int32.init))
    var total = TransformerLoss()
    for first in stride(from: 0, to: scenes.count, by: transformer.batch) {
      total += try transformer.evaluate(
        batch.rows(first..<min(first + transformer.batch, scenes.count)), bundle.transformerWeights)
    }
    textNats = total.textNats / Double(max(1, total.textTokens))
    imageNats = total.imageNats / Double(max(1, total.imageTokens))
  }
}
