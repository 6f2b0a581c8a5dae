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

/// Encodes captioned images as token shards with all ranks. Ranks encode pieces, and then merge the pieces of each shard; a piece
/// or a shard that exists is not made again. The bytes of the shards depend on data, tokenizer, dVAE and options alone: they are
/// the same when encoding is stopped anywhere and resumed with any number of ranks.
package struct ShardEncoder {
  private let data: any CaptionedImages
  private let tokenizer: Tokenizer
  private let dvae: DVAE
  private let weights: any ParameterStore
  private let header: ShardHeader
  private let shardSamples: Int
  private let seed: UInt64
  private let files: Files
  private var folder: String { files.folder }

  /// Paths of finished shards.
  package struct Files: Sendable {
    let folder: String
    /// One for every `shardSamples` samples of a split.
    package let shards: [String]
    /// What the shards were encoded from, in addition to tokenizer and dVAE.
    package var origin: String { folder + "/origin.json" }
    /// The list of skipped images; written last.
    package var skips: String { folder + "/skipped.jsonl" }

    package init(_ folder: String, data: any CaptionedImages, shardSamples: Int) {
      self.folder = folder
      shards = Split.allCases.flatMap { split in
        (0..<(data.count(split) + shardSamples - 1) / shardSamples).map { ShardSet.path(folder, split.rawValue, $0) }
      }
    }
  }

  /// Consecutive images that cannot be read, from which on encoding ends.
  private static let unreadableLimit = 10
  /// Images whose codes are counted before encoding.
  private static let codebookImages = 64
  /// Samples per piece: the work that is lost when a rank is killed.
  private static let pieceSamples = 256
  /// Purpose of the random stream of the crops.
  private static let crop: UInt64 = 2

  /// - Parameters:
  ///   - dvae, weights: for inference; its batch is the number of images encoded at a time.
  ///   - folder: for the shards.
  ///   - seed: decides the crops.
  package init(
    _ data: any CaptionedImages, tokenizer: Tokenizer, dvae: DVAE, weights: any ParameterStore, header: ShardHeader,
    shardSamples: Int, seed: UInt64, folder: String
  ) {
    (self.data, self.tokenizer, self.dvae, self.weights) = (data, tokenizer, dvae, weights)
    (self.header, self.shardSamples, self.seed) = (header, shardSamples, seed)
    files = Files(folder, data: data, shardSamples: shardSamples)
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
    /// Its skipped images; kept until all shards are finished.
    let skips: String
    let pieces: [Piece]
  }

  /// The files that the coordinator finds when encoding begins. Sizes in bytes; -1 for a file that does not exist.
  private struct Inventory: Codable {
    var isFinished: Bool
    /// For each shard.
    var isMissing: [Bool]
    /// For each piece of the missing shards: the size of the piece, and of its list of skipped images.
    var pieceSizes: [Int]
    var skipSizes: [Int]
  }

  /// What the shards in a folder were encoded from, in addition to the tokenizer and dVAE of the header.
  private struct Origin: Codable {
    /// The data's identity.
    var source: String
    var shardSamples: Int
    var seed: UInt64
  }

  private var work: String { folder + "/work" }

  private func shards() -> [Shard] {
    Split.allCases.flatMap { split in
      stride(from: 0, to: data.count(split), by: shardSamples).enumerated().map { number, first in
        let samples = first..<min(first + shardSamples, data.count(split))
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

  /// Encodes the missing shards: every rank encodes its pieces, then merges its shards from the pieces of all ranks. Collective.
  /// The coordinator locks the folder meanwhile.
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
    if images > 0, let warning = try world.decide({ try codebookWarning() }) { try log("warning: \(warning)") }
    try log("encoding \(images.formatted()) images into \(missing.count) \(missing.count == 1 ? "shard" : "shards") in \(folder)")

    // Every rank encodes its pieces; all ranks learn the sizes of the files.
    var (pieceSizes, skipSizes) = (inventory.pieceSizes, inventory.skipSizes)
    for index in toEncode { (pieceSizes[index], skipSizes[index]) = (0, 0) }
    var (progress, done) = (ProgressMeter.lines(), 0)
    var truncatedCaptions = 0
    for (turn, index) in toEncode.enumerated() where turn % world.size == world.rank {
      let (split, piece) = pieces[index]
      truncatedCaptions += try encode(piece, split, stop)
      (pieceSizes[index], skipSizes[index]) = (try fileSize(piece.path), try fileSize(piece.skips))
      done += piece.samples.count
      if let line = progress.line(done, of: images / world.size) { try log(line) }
    }
    var totals = [truncatedCaptions]
    try reporting("waiting for other ranks", to: report) { try world.allReduce(&totals, .sum) }
    try world.allReduce(&pieceSizes, .maximum)
    try world.allReduce(&skipSizes, .maximum)

    // Every rank merges its shards.
    var shardSkips = [Int](repeating: 0, count: missing.count)
    var first = 0
    var merging = ProgressMeter.lines()
    for (index, shard) in missing.enumerated() {
      let range = first..<first + shard.pieces.count
      first = range.upperBound
      guard index % world.size == world.rank else { continue }
      try stop.check()
      for (piece, sizes) in zip(shard.pieces, zip(pieceSizes[range], skipSizes[range])) {
        try awaitFile(piece.path, byteCount: sizes.0)
        try awaitFile(piece.skips, byteCount: sizes.1)
      }
      try merge(shard)
      if let line = merging.line(index + 1, of: missing.count) { try log("merging shards: \(line)") }
      shardSkips[index] = try fileSize(shard.skips)
    }
    try reporting("waiting for other ranks", to: report) { try world.allReduce(&shardSkips, .maximum) }
    try world.onCoordinator {
      for (shard, size) in zip(missing, shardSkips) { try awaitFile(shard.skips, byteCount: size) }
      try finish(shards, truncatedCaptions: totals[0], log)
    }
  }

  /// Lists the files that exist. Called on the coordinator.
  ///
  /// - Throws: `DalleError` for shards of different data, tokenizer, dVAE or options.
  private func takeInventory(_ shards: [Shard]) throws -> Inventory {
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    let isMissing = shards.map { !exists($0.path) }
    // Checks that they were encoded with this tokenizer and this dVAE.
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

  /// Refuses to resume with shards of different data, seed or size: some samples would be in them twice, others missing.
  private func checkOrigin() throws {
    let origin = Origin(source: try data.identity(), shardSamples: shardSamples, seed: seed)
    if FileManager.default.fileExists(atPath: files.origin) {
      guard let recorded = try? JSONDecoder().decode(Origin.self, from: readFile(files.origin)) else {
        throw DalleError(.data, "\(files.origin): cannot be parsed; restore it, or use another folder")
      }
      for (name, before, now) in [
        ("dataset", recorded.source, origin.source),
        ("samples per shard", "\(recorded.shardSamples)", "\(origin.shardSamples)"),
        ("seed", "\(recorded.seed)", "\(origin.seed)"),
      ] where before != now {
        throw DalleError(
          .data,
          "\(folder): its shards were encoded with a different \(name) (\(before.prefix(12)), now \(now.prefix(12))); use another folder"
        )
      }
      return
    }
    try replaceFile(files.origin, with: JSON.pretty(origin))
  }

  /// Encodes a piece; images that cannot be read, and captions beyond the limit, are skipped and listed. Returns how many captions were
  /// truncated.
  private func encode(_ piece: Piece, _ split: Split, _ stop: StopRequest) throws -> Int {
    let writer = ShardWriter(piece.path, header: header)
    let skips = try SkipList(piece.skips)
    let size = dvae.config.imageSize
    let positions = dvae.config.grid * dvae.config.grid
    var truncated = 0
    var (unreadable, problem) = (0, "")
    for first in stride(from: piece.samples.lowerBound, to: piece.samples.upperBound, by: dvae.batch) {
      var readable: [Int] = []
      var images: [Image] = []
      for index in first..<min(first + dvae.batch, piece.samples.upperBound) {
        try stop.check()
        do {
          let image = try data.image(index, split, forCropsOf: size)
          var random = RandomStream(seed: seed, Self.crop, UInt64(index))
          images.append(split == .training ? image.transformerCrop(size, using: &random) : image.centerCrop(size))
          readable.append(index)
        } catch {
          try skips.add(Skip(data.location(index, split), .unreadableImage, "\(error)"))
          (unreadable, problem) = (unreadable + 1, "\(error)")
        }
      }
      let codes = try dvae.encode(images, weights)
      for (row, index) in readable.enumerated() {
        let captions = try data.captions(index, split)
        if captions.count > TokenSample.captionLimit {
          try skips.add(captionsSkip(captions.count, location: data.location(index, split)))
        }
        let texts = captions.prefix(TokenSample.captionLimit).map { tokenizer.encode($0) }
        truncated += texts.count { $0.count > header.textLength }
        try writer.append(
          TokenSample(
            texts: texts.map { tokenizer.prefix($0, header.textLength) },
            image: Array(codes[row * positions..<(row + 1) * positions])))
      }
    }
    // They were readable when they were collected, so a disk is probably missing: it must not give shards without samples.
    if unreadable == piece.samples.count {
      // The last piece of a split may be short: the images before it count, too.
      var first = piece.samples.lowerBound
      while unreadable < Self.unreadableLimit, first > 0, !isReadable(first - 1, split) {
        (unreadable, first) = (unreadable + 1, first - 1)
      }
      // A short validation split decides nothing, and a training of days has come before it.
      if unreadable >= Self.unreadableLimit || (first == 0 && split == .training) {
        throw DalleError(
          .inputOutput,
          "\(unreadable) consecutive images cannot be read (the last: \(problem)); check that their disk is mounted; if they have moved, `dalle-prep collect --relocate` records where to"
        )
      }
    }
    // The piece last: if it exists, its list does too.
    try skips.finish()
    try writer.finish()
    return truncated
  }

  private func isReadable(_ index: Int, _ split: Split) -> Bool {
    (try? data.image(index, split, forCropsOf: dvae.config.imageSize)) != nil
  }

  /// Captions of a kept sample beyond the limit.
  private func captionsSkip(_ count: Int, location: String) -> Skip {
    var skip = Skip(
      location, .manyCaptions, "the sample has \(count) captions (a shard keeps the first \(TokenSample.captionLimit))")
    (skip.keepsSample, skip.captions) = (true, count - TokenSample.captionLimit)
    return skip
  }

  /// A dVAE that uses few of its codes, as a line for the log, before hours of encoding; nil if it uses enough of them. Called on
  /// the coordinator.
  private func codebookWarning() throws -> String? {
    var usage = CodebookUsage(vocabulary: dvae.config.vocabulary)
    var images: [Image] = []
    let count = min(Self.codebookImages, data.count(.training))
    for number in 0..<count {
      let index = number * data.count(.training) / count
      guard let image = try? data.image(index, .training, forCropsOf: dvae.config.imageSize) else { continue }
      images.append(image.centerCrop(dvae.config.imageSize))
    }
    for first in stride(from: 0, to: images.count, by: dvae.batch) {
      let batch = Array(images[first..<min(first + dvae.batch, images.count)])
      try dvae.encode(batch, weights).withUnsafeBufferPointer { usage.add($0) }
    }
    let (used, codes) = (usage.counts.count { $0 > 0 }, images.count * dvae.config.grid * dvae.config.grid)
    // Few codes in few images mean nothing.
    guard codes > 0, 4 * used <= min(dvae.config.vocabulary, codes / 4) else { return nil }
    return
      "\(used) of \(dvae.config.vocabulary) codes are used in \(images.count) \(images.count == 1 ? "image" : "images"), so image tokens can tell few images apart; unless the images are that simple, train the dVAE for longer\(dvae.config.quantizer == .gumbel ? ", or with a lower `dvae.klWeight`" : "")"
  }

  /// Merges a shard's pieces.
  private func merge(_ shard: Shard) throws {
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

  /// Writes one list of all skipped images and captions, in the order of samples. It exists when everything is finished.
  private func finish(_ shards: [Shard], truncatedCaptions: Int, _ log: (String) throws -> Void) throws {
    let list = try FileWriter(files.skips)
    var (images, captions) = (0, 0)
    for shard in shards where FileManager.default.fileExists(atPath: shard.skips) {
      try forEachLine(shard.skips) { (skip: Skip) in
        if let count = skip.captions { captions += count } else { images += 1 }
      }
      try list.write(readFile(shard.skips))
    }
    try list.finish()
    try? FileManager.default.removeItem(atPath: work)
    try log(
      "done: \(images) images skipped\(images > 0 ? " (listed in \(files.skips))" : ""), "
        + "\(truncatedCaptions) captions truncated to \(header.textLength) tokens")
    if captions > 0 {
      try log(
        "left out \(captions.formatted()) captions: a shard keeps the first \(TokenSample.captionLimit) of an image (listed in \(files.skips))"
      )
    }
  }
}
