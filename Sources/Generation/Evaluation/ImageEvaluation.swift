import Images
import Layers
import Models
import Tokens

/// How well a model does on captioned images that it was not trained on.
package struct ImageMetrics: Codable, Sendable {
  /// Images of one kind, against the held-out ones.
  package struct Kind: Codable, Sendable {
    /// Fréchet distance of features; grows as images become fewer, so only numbers of equally many images compare.
    package let frechetDistance: Estimate
    /// Kernel distance of features; around 0 for images of the same distribution.
    package let kernelDistance: Estimate
    /// Share of the images whose own caption ranks first.
    package let captionFirst: Estimate
  }

  /// How the images were generated.
  package let seed: UInt64
  package let sampling: SamplingConfig
  /// Held-out images, and captions that one is compared with, its own included.
  package let images, candidates: Int
  /// SHA-256 of the weights of the network that gives the features: distances of two networks cannot be compared.
  package let features: String
  /// Nats per token of held-out captions, and of held-out images given their captions.
  package let textNats, imageNats: Estimate
  /// Of the dVAE: peak signal-to-noise ratio in decibels, and structural similarity; nil for images with sides below 11 pixels.
  package let psnr: Estimate
  package let similarity: Estimate?
  /// One generated image for each held-out caption; the held-out images encoded and decoded by the dVAE, which no generated one can
  /// surpass; and the share of held-out images whose caption ranks first.
  package let generated, reconstructed: Kind
  package let heldOutCaptionFirst: Estimate
}

/// Measures a model on held-out images with their captions.
package struct ImageEvaluation {
  package struct Sample: Sendable {
    package let caption: String
    package let heldOut, reconstructed, generated: Image
  }

  package let metrics: ImageMetrics
  package let samples: [Sample]

  /// Fewest images, since distances need a covariance, and most: kernels are of all pairs, 40 bytes each.
  package static let leastImages = 8
  package static let mostImages = 8192

  /// - Parameters:
  ///   - images: held-out images of the dVAE's size, each with a caption.
  ///   - candidates: captions among which an image's own is looked for, its own included.
  package init(
    _ bundle: ModelBundle, _ judge: CLIPBundle, images: [(caption: String, image: Image)], candidates: Int, seed: UInt64,
    _ sampling: SamplingConfig, progress: (_ what: String, _ done: Int, _ total: Int) -> Void
  ) throws {
    precondition(images.count >= Self.leastImages, "\(images.count) images")
    let (captions, heldOut) = (images.map(\.caption), images.map(\.image))
    let dvae = try DVAE(bundle.dvae, batch: 16, mode: .inference, precision: bundle.precision)
    progress("encoding", 0, images.count)
    let codes = try dvae.encode(heldOut, bundle.dvaeWeights)
    let reconstructed = try dvae.decode(codes, bundle.dvaeWeights)
    let losses = try bundle.losses(captions, codes) { progress("measuring losses", $0, images.count) }
    let generated = try bundle.generator().generate(captions, count: 1, seed: seed, sampling, cutsPrompts: true) {
      progress("generating", $0, $1)
    }.map { $0[0] }

    progress("comparing", 0, 3)
    let texts = try judge.features(of: captions)
    let real = try judge.features(of: heldOut)
    let retrieval = Retrieval(captions, count: candidates, seed: seed)
    func first(_ features: FeatureSet) -> Estimate { Estimate(retrieval.firsts(features, captions: texts), of: captions.count) }
    func kind(_ images: [Image]) throws -> ImageMetrics.Kind {
      let features = try judge.features(of: images)
      let kernel = KernelDistance(features, real)
      return ImageMetrics.Kind(
        frechetDistance: Estimate(features.frechetDistance(to: real), samples: images.count, seed: seed, least: 0) {
          features.samples($0).frechetDistance(to: real.samples($0))
        },
        kernelDistance: Estimate(kernel.value, samples: images.count, seed: seed) { kernel.value($0) },
        captionFirst: first(features))
    }
    let generatedKind = try kind(generated)
    progress("comparing", 1, 3)
    let reconstructedKind = try kind(reconstructed)
    progress("comparing", 2, 3)
    let isLargeEnough = bundle.dvae.imageSize >= Image.leastSimilaritySide
    metrics = ImageMetrics(
      seed: seed, sampling: sampling, images: images.count, candidates: retrieval.candidates.map(\.count).max()!,
      features: judge.hash,
      textNats: Estimate(ratioOf: losses.map(\.textNats), to: losses.map { Double($0.textTokens) }),
      imageNats: Estimate(ratioOf: losses.map(\.imageNats), to: losses.map { Double($0.imageTokens) }),
      psnr: Estimate(meanOf: zip(heldOut, reconstructed).map { $0.peakSignalToNoise(to: $1) }),
      similarity: isLargeEnough ? Estimate(meanOf: zip(heldOut, reconstructed).map { $0.structuralSimilarity(to: $1) }) : nil,
      generated: generatedKind, reconstructed: reconstructedKind, heldOutCaptionFirst: first(real))
    samples = images.indices.map {
      Sample(caption: captions[$0], heldOut: heldOut[$0], reconstructed: reconstructed[$0], generated: generated[$0])
    }
  }
}

extension ModelBundle {
  /// The loss of each sample by itself.
  ///
  /// - Parameter codes: `[captions · grid²]`
  fileprivate func losses(
    _ captions: [String], _ codes: [Token], progress: (_ done: Int) -> Void
  ) throws -> [TransformerLoss] {
    let model = try Transformer(transformer, batch: 1, precision: precision)
    let batch = TransformerBatch(
      text: captions.map { tokenizer.prefix(tokenizer.encode($0), transformer.textLength) }, image: codes)
    return try captions.indices.map {
      progress($0)
      return try model.evaluate(batch.rows($0..<$0 + 1), transformerWeights)
    }
  }
}
