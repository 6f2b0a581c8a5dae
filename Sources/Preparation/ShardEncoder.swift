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
package struct ShardEncoder {
  private let source: any ImageSource
  private let tokenizer: Tokenizer
  private let dvae: DVAE
  private let weights: any ParameterStore
  private let header: ShardHeader
  private let shardSamples: Int
  private let seed: UInt64
  private let files: Files
  private var folder: String { files.folder }

  /// The files of finished shards.
  package struct Files: Sendable {
    let folder: String
    /// One for each `shardSamples` samples of a split.
    package let shards: [String]
    /// What the shards are made of, beside tokenizer and dVAE.
    package var origin: String { folder + "/origin.json" }
    /// The list of what was skipped; written last.
    package var skips: String { folder + "/skipped.jsonl" }

    package init(_ folder: String, source: any ImageSource, shardSamples: Int) {
      self.folder = folder
      shards = Split.allCases.flatMap { split in
        (0..<(source.count(split) + shardSamples - 1) / shardSamples).map { ShardSet.path(folder, split.rawValue, $0) }
      }
    }
  }

  /// Samples in a piece: what is lost when a rank is killed.
  private static let pieceSamples = 256
  /// What the random stream of the crops is for.
  private static let crop: UInt64 = 2

  /// - Parameters:
  ///   - dvae, weights: for inference; its batch is the number of pictures encoded at a time.
  ///   - folder: where the shards go.
  ///   - seed: decides the crops.
  package init(
    _ source: any ImageSource, tokenizer: Tokenizer, dvae: DVAE, weights: any ParameterStore, header: ShardHeader,
    shardSamples: Int, seed: UInt64, folder: String
  ) {
    (self.source, self.tokenizer, self.dvae, self.weights) = (source, tokenizer, dvae, weights)
    (self.header, self.shardSamples, self.seed) = (header, shardSamples, seed)
    files = Files(folder, source: source, shardSamples: shardSamples)
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
  }

  /// What exists, as the coordinator sees it when encoding begins. Sizes in bytes; -1 for a file that does not exist.
  private struct Inventory: Codable {
    var isFinished: Bool
    /// For each shard, whether it is missing.
    var isMissing: [Bool]
    /// For each piece of the missing shards: the size of the piece, and of its list of skipped samples.
    var pieceSizes: [Int]
    var skipSizes: [Int]
  }

  /// What the shards in a folder are made of, beside the header's tokenizer and dVAE.
  private struct Origin: Codable {
    var source: String
    var shardSamples: Int
    var seed: UInt64
  }

  private var work: String { folder + "/work" }

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

  /// Encodes what is missing: every rank its pieces, then every rank whole shards from all pieces. Collective. Meanwhile the
  /// coordinator keeps the folder locked.
  ///
  /// - Parameters:
  ///   - stop: ends it anywhere; the same call later resumes.
  ///   - log: gets a line now and then, also from other threads.
  /// - Throws: `DalleError` of kind `temporary` if another job encodes into the folder, of kind `stopped` if a stop was requested.
  package func encode(in world: Communicator, stop: StopRequest, log: @escaping (String) throws -> Void) throws {
    let report = { (line: String) -> Void in try? log(line) }
    let shards = shards()
    var lock: FolderLock?
    try world.onCoordinator {
      try makeFolder(folder)
      lock = try FolderLock(folder) { try log("warning: \($0)") }
    }
    try world.requireShared(folder)
    defer { withExtendedLifetime(lock) {} }
    let inventory = try world.decide { try takeInventory(shards) }
    if inventory.isFinished {
      return try log("finished (\(shards.count) shards in \(folder))")
    }
    let missing = zip(shards, inventory.isMissing).filter(\.1).map(\.0)
    let pieces = missing.flatMap { shard in shard.pieces.map { (shard.split, $0) } }
    let toEncode = pieces.indices.filter { inventory.pieceSizes[$0] < 0 }
    let images = toEncode.reduce(0) { $0 + pieces[$1].1.samples.count }
    try log("\(images.formatted()) pictures into \(missing.count) \(missing.count == 1 ? "shard" : "shards") in \(folder)")

    // Every rank encodes its pieces; what it leaves is announced to all by size.
    var (pieceSizes, skipSizes) = (inventory.pieceSizes, inventory.skipSizes)
    for index in toEncode { (pieceSizes[index], skipSizes[index]) = (0, 0) }
    var (progress, done) = (ProgressMeter.lines(), 0)
    var cutCaptions = 0
    for (turn, index) in toEncode.enumerated() where turn % world.size == world.rank {
      let (split, piece) = pieces[index]
      cutCaptions += try encode(piece, split, stop)
      (pieceSizes[index], skipSizes[index]) = (try fileSize(piece.path), try fileSize(piece.skips))
      done += piece.samples.count
      if let line = progress.line(done, of: images / world.size) { try log(line) }
    }
    var totals = [cutCaptions]
    try reporting("waits for other ranks", to: report) { try world.allReduce(&totals, .sum) }
    try world.allReduce(&pieceSizes, .maximum)
    try world.allReduce(&skipSizes, .maximum)

    // Every rank puts shards together.
    var shardSkips = [Int](repeating: 0, count: missing.count)
    var first = 0
    var assembly = ProgressMeter.lines()
    for (index, shard) in missing.enumerated() {
      let range = first..<first + shard.pieces.count
      first = range.upperBound
      guard index % world.size == world.rank else { continue }
      try stop.check()
      for (piece, sizes) in zip(shard.pieces, zip(pieceSizes[range], skipSizes[range])) {
        try awaitFile(piece.path, byteCount: sizes.0)
        try awaitFile(piece.skips, byteCount: sizes.1)
      }
      try assemble(shard)
      if let line = assembly.line(index + 1, of: missing.count) { try log("puts shards together: \(line)") }
      shardSkips[index] = try fileSize(shard.skips)
    }
    try reporting("waits for other ranks", to: report) { try world.allReduce(&shardSkips, .maximum) }
    try world.onCoordinator {
      for (shard, size) in zip(missing, shardSkips) { try awaitFile(shard.skips, byteCount: size) }
      try finish(shards, cutCaptions: totals[0], log)
    }
  }

  /// Looks at what exists; shards made from something else are refused. Called on the coordinator.
  private func takeInventory(_ shards: [Shard]) throws -> Inventory {
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    let isMissing = shards.map { !exists($0.path) }
    // Opening them checks that they were made with this tokenizer and this dVAE.
    for (shard, isMissing) in zip(shards, isMissing) where !isMissing { try ShardReader(shard.path).check(header) }
    try checkOrigin()
    let isFinished = exists(files.skips) && !isMissing.contains(true)
    if !isFinished { try makeFolder(work) }
    let pieces = zip(shards, isMissing).filter(\.1).flatMap(\.0.pieces)
    return Inventory(
      isFinished: isFinished, isMissing: isMissing,
      pieceSizes: try pieces.map { exists($0.path) ? try fileSize($0.path) : -1 },
      skipSizes: try pieces.map { exists($0.skips) ? try fileSize($0.skips) : -1 })
  }

  /// Refuses to go on with shards of another source, seed or size: some samples would be in them twice, and others not at all.
  private func checkOrigin() throws {
    let now = Origin(source: try source.identity(), shardSamples: shardSamples, seed: seed)
    if FileManager.default.fileExists(atPath: files.origin) {
      guard let before = try? JSONDecoder().decode(Origin.self, from: readFile(files.origin)) else {
        throw DalleError(.data, "\(files.origin): cannot be parsed; remove \(folder), or name another folder")
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
    try replaceFile(files.origin, with: JSON.pretty(now))
  }

  /// Encodes a piece; pictures that cannot be read are left out and listed. Returns how many captions were cut.
  private func encode(_ piece: Piece, _ split: Split, _ stop: StopRequest) throws -> Int {
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
        try stop.check()
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

  /// Puts a shard's pieces together.
  private func assemble(_ shard: Shard) throws {
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
  }

  /// One list of what was left out, in the order of samples; it is there when everything is.
  private func finish(_ shards: [Shard], cutCaptions: Int, _ log: (String) throws -> Void) throws {
    let list = try FileWriter(files.skips)
    var count = 0
    for shard in shards where FileManager.default.fileExists(atPath: shard.skips) {
      let lines = try readFile(shard.skips)
      count += lines.count { $0 == UInt8(ascii: "\n") }
      try list.write(lines)
    }
    try list.finish()
    try? FileManager.default.removeItem(atPath: work)
    try log(
      "done; \(count) pictures could not be used\(count > 0 ? ", see \(files.skips)" : ""); "
        + "\(cutCaptions) captions were cut to \(header.textLength) tokens")
  }
}
