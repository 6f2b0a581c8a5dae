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
  package var sample: Sample
  /// The image; with a dVAE its center crop, and the reconstruction of that.
  package var images: [Inlay]
  /// Why there is no image.
  package var problem: String?

  /// Pixels of the longer side at which an image without a dVAE is shown.
  private static let side = 256
  /// Purpose of the random numbers that choose samples.
  private static let purpose: UInt64 = 0x6361_7264

  /// Cards of random training samples.
  ///
  /// - Parameters:
  ///   - dvae, weights: for reconstructions, if there are any.
  ///   - progress: called after each card with the cards made and their total.
  package static func random(
    _ count: Int, of dataset: Dataset, seed: UInt64, dvae: DVAE?, weights: (any ParameterStore)?,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> [SampleCard] {
    let chosen = try dataset.chosenSamples(count, seed: seed, purpose: purpose)
    var cards: [SampleCard] = []
    for (number, sample) in chosen {
      var card = SampleCard(sample: sample, images: [], problem: nil)
      do {
        let image = try dataset.image(number, .training)
        if let dvae, let weights {
          let crop = image.centerCrop(dvae.config.imageSize)
          let copy = try dvae.decode(dvae.encode([crop], weights), weights)[0]
          card.images = [
            try Inlay(crop, name: "center crop of the image"), try Inlay(copy, name: "the dVAE's reconstruction of it"),
          ]
        } else {
          card.images = [try Inlay(image.fitted(into: side), name: "the image")]
        }
      } catch let error as DalleError { card.problem = error.description }
      cards.append(card)
      progress(cards.count, chosen.count)
    }
    return cards
  }
}
