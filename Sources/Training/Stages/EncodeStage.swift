import Datasets
import Foundation
import Generation
import Images
import Layers
import Models
import Monitoring
import Parallel
import Random
import Shards
import Tokenizer

extension Run {
  /// Turns pictures and captions into token shards. Shard k is the work of rank k modulo the ranks; a shard that exists is
  /// not made again.
  func encodeShards() throws -> Bool {
    try require(folder.tokenizer, from: .tokenizer)
    try require(folder.dvaeWeights, from: .dvae)
    let tokenizer = try Tokenizer(contentsOf: folder.tokenizer)
    let header = try shardHeader(tokenizer)
    let shards = Split.allCases.flatMap { split in
      stride(from: 0, to: source.count(split), by: config.data.shardSamples).enumerated().map { number, first in
        (
          split: split, path: ShardSet.path(folder.shards, split.rawValue, number),
          samples: first..<min(first + config.data.shardSamples, source.count(split))
        )
      }
    }
    let missing = shards.filter { !FileManager.default.fileExists(atPath: $0.path) }
    if missing.isEmpty {
      // Opening them checks that they were made with this tokenizer and this dVAE.
      for split in Split.allCases { _ = try ShardSet(folder.shards, split.rawValue, expected: header) }
      say(.encode, "finished (\(shards.count) shards in \(folder.shards))")
      return true
    }
    try grid.world.barrier()
    say(.encode, "\(missing.reduce(0) { $0 + $1.samples.count }) pictures into \(missing.count) shards in \(folder.shards)")

    let dvae = try DVAE(config.dvaeConfig, batch: 32, mode: .inference)
    let weights = try ModelBundle.weights(dvae.table, folder.dvaeWeights)
    let mine = missing.enumerated().filter { $0.offset % grid.world.size == grid.world.rank }.map(\.element)
    var counts = EncodeCounts(total: mine.reduce(0) { $0 + $1.samples.count })
    for shard in mine {
      let writer = ShardWriter(shard.path, header: header)
      for first in stride(from: shard.samples.lowerBound, to: shard.samples.upperBound, by: dvae.batch) {
        if stop.isRaised { break }
        let part = first..<min(first + dvae.batch, shard.samples.upperBound)
        try encode(part, shard.split, tokenizer, dvae, weights, into: writer, &counts)
        counts.done += part.count
        if let line = counts.progress() { say(.encode, line) }
      }
      if stop.isRaised { break }
      try writer.finish()
    }
    var totals = [stop.isRaised ? 1 : 0, counts.skipped, counts.cut]
    try grid.world.allReduce(&totals, .sum)
    if totals[0] > 0 {
      say(.encode, "stopped by a signal; the same command goes on with the shards that are missing")
      return false
    }
    say(
      .encode, "done; \(totals[1]) pictures could not be used, \(totals[2]) captions were cut to \(header.textLength) tokens"
        + (totals[1] > 0 ? "; see \(folder.logs)/skipped-*.txt" : ""))
    return true
  }

  /// Encodes some samples; pictures that cannot be read are left out.
  private func encode(
    _ part: Range<Int>, _ split: Split, _ tokenizer: Tokenizer, _ dvae: DVAE, _ weights: LocalParameters,
    into writer: ShardWriter, _ counts: inout EncodeCounts
  ) throws {
    let size = config.data.imageSize
    var usable: [Int] = []
    var pictures: [Picture] = []
    for index in part {
      do {
        var random = RandomStream(seed: UInt64(config.seed), Purpose.encodingCrop, UInt64(index))
        let picture = try source.picture(index, split)
        pictures.append(split == .training ? picture.transformerCrop(size, using: &random) : picture.centreCrop(size))
        usable.append(index)
      } catch {
        skipped.add("\(error)")
        counts.skipped += 1
      }
    }
    let positions = config.dvaeConfig.grid * config.dvaeConfig.grid
    let codes = try dvae.encode(pictures, weights)
    for (row, index) in usable.enumerated() {
      let text = tokenizer.encode(try source.captions(index, split)[0])
      if text.count > config.transformer.model.textLength { counts.cut += 1 }
      try writer.append(
        TokenSample(
          text: Array(text.prefix(config.transformer.model.textLength)),
          image: Array(codes[row * positions..<(row + 1) * positions])))
    }
  }
}

/// What one rank's encoding has come to.
private struct EncodeCounts {
  let total: Int
  var done = 0
  var skipped = 0
  /// Captions longer than the model reads.
  var cut = 0
  private var remaining = RemainingTime()
  private var spoke = ContinuousClock.now

  init(total: Int) {
    self.total = total
    remaining.observe(done: 0)
  }

  /// A line every five seconds.
  mutating func progress() -> String? {
    remaining.observe(done: done)
    guard ContinuousClock.now - spoke >= .seconds(5) else { return nil }
    spoke = .now
    return "\(100 * done / max(1, total)) %" + (remaining.text(total: total).map { ", \($0) left" } ?? "")
  }
}
