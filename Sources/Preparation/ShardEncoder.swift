import Datasets
import Errors
import Files
import Foundation
import Generation
import Images
import Layers
import MPI
import Models
import Monitoring
import Random
import Shards
import Tokenizer

/// Turns captioned pictures into token shards with all ranks. Pictures are encoded in pieces, and the pieces of a shard put
/// together; a piece or a shard that exists is not made again. What is made depends on source, tokenizer, dVAE and options
/// alone: stopped anywhere and started again, with any number of ranks, it comes to the same bytes.
public struct ShardEncoder {
  private let source: any ImageSource
  private let tokenizer: Tokenizer
  private let dvae: DVAE
  private let weights: any ParameterStore
  private let header: ShardHeader
  private let shardSamples: Int
  private let seed: UInt64
  private let folder: String

  /// Samples in a piece: what is lost when a rank is killed.
  private static let pieceSamples = 256
  /// What the random stream of the crops is for.
  private static let crop: UInt64 = 2

  /// - Parameters:
  ///   - dvae, weights: for inference; its batch is the number of pictures encoded at a time.
  ///   - folder: where the shards go.
  ///   - seed: decides the crops.
  public init(
    _ source: any ImageSource, tokenizer: Tokenizer, dvae: DVAE, weights: any ParameterStore, header: ShardHeader,
    shardSamples: Int, seed: UInt64, folder: String
  ) {
    (self.source, self.tokenizer, self.dvae, self.weights) = (source, tokenizer, dvae, weights)
    (self.header, self.shardSamples, self.seed, self.folder) = (header, shardSamples, seed, folder)
  }

  /// A part of a shard.
  private struct Piece {
    let path: String
    let samples: Range<Int>
    var skips: String { path + ".skipped" }
  }

  private struct Shard {
    let split: Split
    let path: String
    /// What was left out of it, until all shards are there.
    let skips: String
    let pieces: [Piece]
    var exists: Bool { FileManager.default.fileExists(atPath: path) }
  }

  /// What the shards in a folder are made of, beside the header's tokenizer and dVAE.
  private struct Origin: Codable {
    var source: String
    var shardSamples: Int
    var seed: UInt64
  }

  private var origin: String { folder + "/origin.json" }
  private var work: String { folder + "/work" }
  private var allSkips: String { folder + "/skipped.jsonl" }

  private func shards() -> [Shard] {
    Split.allCases.flatMap { split in
      stride(from: 0, to: source.count(split), by: shardSamples).enumerated().map { number, first in
        let samples = first..<min(first + shardSamples, source.count(split))
        let pieces = stride(from: first, to: samples.upperBound, by: Self.pieceSamples).map { start in
          Piece(
            path: "\(work)/\(split.rawValue)-\(start).\(ShardSet.fileExtension)",
            samples: start..<min(start + Self.pieceSamples, samples.upperBound))
        }
        return Shard(
          split: split, path: ShardSet.path(folder, split.rawValue, number), skips: "\(work)/\(split.rawValue)-\(number).skipped",
          pieces: pieces)
      }
    }
  }

  /// Encodes what is missing.
  ///
  /// - Parameters:
  ///   - isStopped: asked between batches; the same call later goes on.
  ///   - say: gets a line now and then.
  /// - Returns: false if it was stopped.
  public func encode(in world: Communicator, isStopped: () -> Bool, say: (String) -> Void) throws -> Bool {
    let shards = shards()
    let isFinished = FileManager.default.fileExists(atPath: allSkips) && shards.allSatisfy(\.exists)
    // Every rank has looked before one changes anything.
    try world.barrier()
    // Opening them checks that they were made with this tokenizer and this dVAE.
    if world.rank == 0 {
      for shard in shards where shard.exists { try ShardReader(shard.path).check(header) }
      try checkOrigin()
    }
    if isFinished {
      say("finished (\(shards.count) shards in \(folder))")
      return true
    }
    if world.rank == 0 { try makeFolder(work) }
    try world.barrier()
    let missing = shards.filter { !$0.exists }
    let pieces = missing.flatMap { shard in
      shard.pieces.filter { !FileManager.default.fileExists(atPath: $0.path) }.map { (shard.split, $0) }
    }
    try world.barrier()
    let pictures = pieces.reduce(0) { $0 + $1.1.samples.count }
    say("\(pictures.formatted()) pictures into \(missing.count) \(missing.count == 1 ? "shard" : "shards") in \(folder)")

    var own = missing.enumerated().filter { $0.offset % world.size == world.rank }.map(\.element)
    var progress = ProgressReport(total: pictures / world.size)
    var cut = 0
    for (place, (split, piece)) in pieces.enumerated() where place % world.size == world.rank {
      if isStopped() { break }
      cut += try encode(piece, split)
      try own.removeAll { try assemble($0) }
      if let line = progress.advance(by: piece.samples.count) { say(line) }
    }
    var totals = [isStopped() ? 1 : 0, cut]
    try world.allReduce(&totals, .sum)
    if totals[0] > 0 { return false }
    // Now every piece is there.
    for shard in own {
      guard try assemble(shard) else {
        throw DalleError(.data, "\(shard.path): pieces of it have vanished from \(work); leave that folder alone, and start again")
      }
    }
    try world.barrier()
    if world.rank == 0 { try finish(shards, cutCaptions: totals[1], say) }
    try world.barrier()
    return true
  }

  /// Refuses to go on with shards of another source, seed or size: some samples would be in them twice, and others not at all.
  private func checkOrigin() throws {
    let now = Origin(source: try source.identity(), shardSamples: shardSamples, seed: seed)
    if FileManager.default.fileExists(atPath: origin) {
      guard let before = try? JSONDecoder().decode(Origin.self, from: readFile(origin)) else {
        throw DalleError(.data, "\(origin): cannot be parsed; remove \(folder), or name another folder")
      }
      for (name, before, now) in [
        ("pictures and captions", before.source, now.source),
        ("samples in a shard", "\(before.shardSamples)", "\(now.shardSamples)"),
        ("seed", "\(before.seed)", "\(now.seed)"),
      ] where before != now {
        throw DalleError(
          .data,
          "\(folder): its shards were made with other \(name) (\(before.prefix(12)), now \(now.prefix(12))); remove it, or name another folder"
        )
      }
      return
    }
    try makeFolder(folder)
    try replaceFile(origin, with: JSON.pretty(now))
  }

  /// Encodes a piece; pictures that cannot be read are left out and listed. Returns how many captions were cut.
  private func encode(_ piece: Piece, _ split: Split) throws -> Int {
    let writer = ShardWriter(piece.path, header: header)
    let skips = try SkipList(piece.skips)
    let size = dvae.config.imageSize
    let positions = dvae.config.grid * dvae.config.grid
    var cut = 0
    var (unread, problem) = (0, "")
    for first in stride(from: piece.samples.lowerBound, to: piece.samples.upperBound, by: dvae.batch) {
      var usable: [Int] = []
      var pictures: [Image] = []
      for index in first..<min(first + dvae.batch, piece.samples.upperBound) {
        do {
          let picture = try source.picture(index, split, forCropsOf: size)
          var random = RandomStream(seed: seed, Self.crop, UInt64(index))
          pictures.append(split == .training ? picture.transformerCrop(size, using: &random) : picture.centreCrop(size))
          usable.append(index)
        } catch {
          try skips.add(Skip(source.name(index, split), .unreadablePicture, "\(error)"))
          (unread, problem) = (unread + 1, "\(error)")
        }
      }
      let codes = try dvae.encode(pictures, weights)
      for (row, index) in usable.enumerated() {
        let texts = try source.captions(index, split).prefix(TokenSample.captionLimit).map { tokenizer.encode($0) }
        cut += texts.count { $0.count > header.textLength }
        try writer.append(
          TokenSample(
            texts: texts.map { Array($0.prefix(header.textLength)) },
            image: Array(codes[row * positions..<(row + 1) * positions])))
      }
    }
    // They were readable when they were collected: a disk that is missing must not end in shards without samples.
    if unread == piece.samples.count, unread >= 10 {

      throw DalleError(
        .inputOutput, "\(piece.samples.count) images in a row cannot be read (the last: \(problem)); see that their disk is there")

    }
    // The piece last: where it is, its list is there too.
    try skips.finish()
    try writer.finish()
    return cut
  }

  /// Puts a shard's pieces together, if they are all there.
  private func assemble(_ shard: Shard) throws -> Bool {
    guard shard.pieces.allSatisfy({ FileManager.default.fileExists(atPath: $0.path) }) else { return false }
    let writer = ShardWriter(shard.path, header: header)
    let skips = try FileWriter(shard.skips)
    for piece in shard.pieces {
      let reader = try ShardReader(piece.path)
      try reader.check(header)
      for frame in 0..<reader.frameCount { try reader.frame(frame).samples.forEach(writer.append) }
      try skips.write(readFile(piece.skips))
    }
    try skips.finish()
    try writer.finish()
    for piece in shard.pieces {
      unlink(piece.path)
      unlink(piece.skips)
    }
    return true
  }

  /// One list of what was left out, in the order of samples; it is there when everything is.
  private func finish(_ shards: [Shard], cutCaptions: Int, _ say: (String) -> Void) throws {
    let list = try FileWriter(allSkips)
    var count = 0
    for shard in shards where FileManager.default.fileExists(atPath: shard.skips) {
      let lines = try readFile(shard.skips)
      count += lines.count { $0 == UInt8(ascii: "\n") }
      try list.write(lines)
    }
    try list.finish()
    try? FileManager.default.removeItem(atPath: work)
    say(
      "done; \(count) pictures could not be used\(count > 0 ? ", see \(allSkips)" : ""); "
        + "\(cutCaptions) captions were cut to \(header.textLength) tokens")
  }
}
