import Datasets
import Errors
import Files
import Foundation
import Generation
import Images
import Layers
import Models

/// A sample as the page shows it.
package struct SampleCard: Sendable {
  /// A picture as a part of the page.
  package struct Inlay: Sendable {
    /// What the picture is, for those who do not see it.
    package var name: String
    package var width: Int
    package var height: Int
    /// `data:image/...;base64,...`
    package var address: String
  }

  package var sample: Sample
  /// The picture; with a dVAE its middle square, and what the dVAE makes of that.
  package var pictures: [Inlay]
  /// Why there is no picture.
  package var problem: String?

  /// Pixels of the longer side at which a picture without a dVAE is shown.
  private static let side = 256
  /// What the random choice of samples is for.
  private static let purpose: UInt64 = 0x6361_7264

  /// Cards of random training samples.
  ///
  /// - Parameters:
  ///   - dvae, weights: for reconstructions, if there are any.
  ///   - progress: told now and then how many cards of how many are made.
  package static func random(
    _ count: Int, of dataset: Dataset, seed: UInt64, dvae: DVAE?, weights: (any ParameterStore)?,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> [SampleCard] {
    let chosen = try dataset.chosenSamples(count, seed: seed, purpose: purpose)
    var cards: [SampleCard] = []
    for (number, sample) in chosen {
      var card = SampleCard(sample: sample, pictures: [], problem: nil)
      do {
        let picture = try dataset.image(number, .training)
        if let dvae, let weights {
          let crop = picture.centreCrop(dvae.config.imageSize)
          let copy = try dvae.decode(dvae.encode([crop], weights), weights)[0]
          card.pictures = [
            try Inlay(crop, name: "middle of the picture"), try Inlay(copy, name: "the dVAE's reconstruction of it"),
          ]
        } else {
          card.pictures = [try Inlay(picture.fitted(into: side), name: "the picture")]
        }
      } catch let error as DalleError { card.problem = error.description }
      cards.append(card)
      progress(cards.count, chosen.count)
    }
    return cards
  }
}

extension SampleCard.Inlay {
  /// Longest side that is kept without loss: JPEG would be no smaller, and blur the pixels.
  private static let lossless = 96

  init(_ picture: Image, name: String) throws {
    let isSmall = max(picture.width, picture.height) <= Self.lossless
    let bytes = try isSmall ? picture.png() : picture.jpeg(quality: 85)
    self.init(
      name: name, width: picture.width, height: picture.height,
      address: "data:image/\(isSmall ? "png" : "jpeg");base64,\(bytes.base64EncodedString())")
  }
}

extension Image {
  /// Shrunk, if it must be, until neither side is longer than `side`.
  fileprivate func fitted(into side: Int) -> Image {
    let longest = max(width, height)
    if longest <= side { return self }
    return resized(width: max(1, width * side / longest), height: max(1, height * side / longest))
  }
}
