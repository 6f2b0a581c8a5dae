import Datasets
import Errors
import Files
import Generation
import Images
import Layers
import Models
import Shards

extension CodeStatistics {
  /// Images that are encoded for the report where there are no shards.
  static let images = 256
  /// Purpose of the random numbers that choose images.
  private static let purpose: UInt64 = 0x636F_6465

  /// Counts the codes in training shards, frame by frame.
  package init(_ shards: ShardSet, in folder: String, progress: (_ done: Int, _ total: Int) -> Void) throws {
    var usage = CodebookUsage(vocabulary: shards.header.imageVocabulary)
    var images = 0
    for shard in shards.shards {
      for frame in 0..<shard.frameCount {
        for sample in try shard.frame(frame).samples {
          sample.image.withUnsafeBufferPointer { usage.add($0) }
          images += 1
        }
        progress(images, shards.samples)
      }
    }
    self.init(usage, images: images, shards: folder)
  }

  /// Encodes random training images and counts their codes. Images that cannot be read are skipped; nil if none can.
  package init?(
    _ dataset: Dataset, seed: UInt64, dvae: DVAE, weights: any ParameterStore, progress: (_ done: Int, _ total: Int) -> Void
  ) throws {
    var usage = CodebookUsage(vocabulary: dvae.config.vocabulary)
    var (images, done) = (0, 0)
    let chosen = try dataset.chosenSamples(Self.images, seed: seed, purpose: Self.purpose)
    for first in stride(from: 0, to: chosen.count, by: dvae.batch) {
      var crops: [Image] = []
      for (number, _) in chosen[first..<min(first + dvae.batch, chosen.count)] {
        do {
          crops.append(try dataset.image(number, .training).centerCrop(dvae.config.imageSize))
        } catch is DalleError {}
      }
      try dvae.encode(crops, weights).withUnsafeBufferPointer { usage.add($0) }
      images += crops.count
      done += dvae.batch
      progress(min(done, chosen.count), chosen.count)
    }
    if images == 0 { return nil }
    self.init(usage, images: images, shards: nil)
  }
}
