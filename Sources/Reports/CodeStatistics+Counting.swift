import Datasets
import Errors
import Files
import Generation
import Images
import Layers
import Models
import Shards

extension CodeStatistics {
  /// Pictures that are encoded for the report where there are no shards.
  static let pictures = 256
  /// What the random choice of pictures is for.
  private static let purpose: UInt64 = 0x636F_6465

  /// Counts the codes in training shards, frame by frame.
  package init(_ shards: ShardSet, in folder: String, progress: (_ done: Int, _ total: Int) -> Void) throws {
    var usage = CodebookUsage(vocabulary: shards.header.imageVocabulary)
    var pictures = 0
    for shard in shards.shards {
      for frame in 0..<shard.frameCount {
        for sample in try shard.frame(frame).samples {
          sample.image.withUnsafeBufferPointer { usage.add($0) }
          pictures += 1
        }
        progress(pictures, shards.samples)
      }
    }
    self.init(usage, pictures: pictures, shards: folder)
  }

  /// Encodes random training pictures and counts their codes. Pictures that cannot be read do not count; nil if none can.
  package init?(
    _ dataset: Dataset, seed: UInt64, dvae: DVAE, weights: any ParameterStore, progress: (_ done: Int, _ total: Int) -> Void
  ) throws {
    var usage = CodebookUsage(vocabulary: dvae.config.vocabulary)
    var (pictures, done) = (0, 0)
    let chosen = try dataset.chosenSamples(Self.pictures, seed: seed, purpose: Self.purpose)
    for first in stride(from: 0, to: chosen.count, by: dvae.batch) {
      var crops: [Image] = []
      for (number, _) in chosen[first..<min(first + dvae.batch, chosen.count)] {
        do {
          crops.append(try dataset.image(number, .training).centreCrop(dvae.config.imageSize))
        } catch is DalleError {}
      }
      try dvae.encode(crops, weights).withUnsafeBufferPointer { usage.add($0) }
      pictures += crops.count
      done += dvae.batch
      progress(min(done, chosen.count), chosen.count)
    }
    if pictures == 0 { return nil }
    self.init(usage, pictures: pictures, shards: nil)
  }
}
