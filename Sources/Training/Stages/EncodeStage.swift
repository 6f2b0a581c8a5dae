import Generation
import Models
import Preparation
import Shards
import Tokenizer

extension Run {
  /// Turns pictures and captions into token shards.
  func encodeShards() throws -> Bool {
    try require(folder.tokenizer, from: .tokenizer)
    try require(folder.dvaeWeights, from: .dvae)
    let tokenizer = try Tokenizer(contentsOf: folder.tokenizer)
    let dvae = try DVAE(config.dvaeConfig, batch: 32, mode: .inference, precision: precision)
    let encoder = ShardEncoder(
      source, tokenizer: tokenizer, dvae: dvae, weights: try ModelBundle.weights(dvae.table, folder.dvaeWeights, precision),
      header: try shardHeader(tokenizer), shardSamples: config.data.shardSamples, seed: UInt64(config.seed), folder: folder.shards)
    let finished = try encoder.encode(in: grid.world, isStopped: { stop.isRaised }, say: { say(.encode, $0) })
    if !finished { say(.encode, "stopped by a signal; the same command goes on with what is missing") }
    return finished
  }
}
