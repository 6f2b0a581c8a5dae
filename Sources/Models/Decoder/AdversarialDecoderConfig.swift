import Errors

/// Shape of the decoder of a trained dVAE and of the discriminator that sharpens it.
package struct AdversarialDecoderConfig: Codable, Sendable, Equatable {
  /// The dVAE whose codes are decoded.
  package var dvae: DVAEConfig
  /// Channels of the discriminator's first group; each group further in has twice as many.
  package var discriminatorChannels: Int

  package init(dvae: DVAEConfig, discriminatorChannels: Int) {
    (self.dvae, self.discriminatorChannels) = (dvae, discriminatorChannels)
  }

  /// The discriminator is an encoder with one map in place of those of codes.
  var discriminator: DVAEConfig {
    var config = dvae
    (config.baseChannels, config.blocksPerGroup) = (discriminatorChannels, 1)
    return config
  }

  /// Throws `DalleError` of kind `configuration` if no decoder has this shape.
  package func validate() throws {
    try dvae.validate()
    let limits = DVAEConfig.limits["baseChannels"]!
    guard limits.contains(discriminatorChannels), discriminatorChannels % 4 == 0 else {
      throw DalleError(
        .configuration,
        "the decoder's discriminatorChannels is \(discriminatorChannels); it must be a multiple of 4 from \(limits.lowerBound) to "
          + "\(limits.upperBound)")
    }
  }
}

/// What the gradient of a step consists of.
package struct AdversarialWeights: Sendable {
  /// Norm of what discriminator and features ask of an image, as a share of that of its likelihood; 0 trains the discriminator alone
  /// beside the likelihood.
  package var adversarial: Double
  /// Of the distance of the discriminator's features from those of the real image.
  package var features: Double

  package init(adversarial: Double, features: Double) { (self.adversarial, self.features) = (adversarial, features) }
}

/// Sums over samples, to be added up over batches and ranks before they are averaged.
package struct AdversarialLoss: Sendable, Equatable {
  package var samples = 0
  /// Negative log-likelihood of all pixel values, in nats (paper A.3).
  package var reconstruction = 0.0
  /// The discriminator's hinge loss, half for decoded and half for real images: 1 where it tells nothing apart, 0 where it is sure.
  package var discriminator = 0.0
  /// What the discriminator thinks of decoded images: the mean of its maps, negated.
  package var adversarial = 0.0
  /// Mean distance of the discriminator's features of decoded and real images.
  package var features = 0.0
  /// Squared difference of bytes between images and what is decoded, by `evaluate` alone.
  package var squaredError = 0.0

  package init() {}

  package static func += (a: inout AdversarialLoss, b: AdversarialLoss) {
    a.samples += b.samples
    a.reconstruction += b.reconstruction
    a.discriminator += b.discriminator
    a.adversarial += b.adversarial
    a.features += b.features
    a.squaredError += b.squaredError
  }
}
