import Errors
import Foundation
import Random
import Shards
import Testing

private let header = ShardHeader(
  textLength: 5, grid: 2, textVocabulary: 300, imageVocabulary: 9, frameSamples: 4, tokenizer: "t", dvae: "d")

private func sample(_ number: Int) -> TokenSample {
  TokenSample(
    texts: [(0..<number % 6).map { UInt16((number + $0) % 300) }],
    image: [UInt16(number % 9), UInt16(number / 9 % 9), UInt16(number / 81 % 9), 8])
}

private final class Folder {
  let path = NSTemporaryDirectory() + "shards-\(UUID().uuidString)"
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes samples `numbers` as shard `index`.
  func write(_ index: Int, _ numbers: Range<Int>, _ header: ShardHeader = header) throws -> String {
    let path = ShardSet.path(path, "train", index)
    let writer = ShardWriter(path, header: header)
    for number in numbers { try writer.append(sample(number)) }
    try writer.finish()
    return path
  }
}

@Test(arguments: [0, 1, 4, 11]) func samplesComeBack(count: Int) throws {
  let folder = try Folder()
  let reader = try ShardReader(folder.write(0, 0..<count))
  #expect(reader.header.samples == count)
  let samples = try (0..<reader.frameCount).flatMap { try reader.frame($0).samples }
  #expect(samples == (0..<count).map(sample))
}

@Test func theSameSamplesGiveTheSameBytes() throws {
  let folder = try Folder()
  let one = try Data(contentsOf: URL(fileURLWithPath: folder.write(0, 0..<11)))
  let two = try Data(contentsOf: URL(fileURLWithPath: folder.write(1, 0..<11)))
  #expect(one == two)
}

/// Every truncation and every flipped byte gives an error with the file's name, or changes nothing; never a crash.
@Test func damageIsRefusedByName() throws {
  let folder = try Folder()
  let path = try folder.write(0, 0..<11)
  let good = try Data(contentsOf: URL(fileURLWithPath: path))
  func readAll() throws -> [TokenSample] {
    let reader = try ShardReader(path)
    return try (0..<reader.frameCount).flatMap { try reader.frame($0).samples }
  }
  for cut in 0..<good.count {
    try good.prefix(cut).write(to: URL(fileURLWithPath: path))
    #expect { try readAll() } throws: { "\($0)".hasPrefix(path) }
  }
  var unnoticed = 0
  for index in good.indices {
    var damaged = good
    damaged[index] ^= 0x41
    try damaged.write(to: URL(fileURLWithPath: path))
    do {
      // A flip in the header's hashes or shape may leave a readable shard; its samples must be the same.
      #expect(try readAll() == (0..<11).map(sample))
      unnoticed += 1
    } catch {
      #expect("\(error)".hasPrefix(path))
    }
  }
  // Letters of the two hashes, and digits that leave a valid header: `ShardReader.check` finds those.
  #expect(unnoticed < 12)
}

/// Impossible values in headers and seek tables give an error with the file's name, before memory is allocated for them.
@Test func impossibleClaimsAreRefused() throws {
  let folder = try Folder()
  let path = try folder.write(0, 0..<3)
  let good = try Data(contentsOf: URL(fileURLWithPath: path))
  func message(_ change: (inout Data) -> Void) throws -> String {
    var bytes = good
    change(&bytes)
    try bytes.write(to: URL(fileURLWithPath: path))
    do {
      let reader = try ShardReader(path)
      _ = try (0..<reader.frameCount).map { try reader.frame($0) }
      return "no error"
    } catch {
      #expect("\(error)".hasPrefix(path + ": "))
      return "\(error)"
    }
  }
  func replace(_ text: String, _ other: String) throws -> String {
    // The header's length and the first entry of the seek table change with it.
    try message { bytes in
      let range = bytes.range(of: Data(text.utf8))!
      bytes.replaceSubrange(range, with: Data(other.utf8))
      let grown = other.utf8.count - text.utf8.count
      bytes[4] += UInt8(grown)
      bytes[bytes.count - 25] += UInt8(grown)
    }
  }
  #expect(try message { _ in } == "no error")
  #expect(
    try replace("\"samples\":3", "\"samples\":4611686018427387904").contains("samples 4611686018427387904 (0 to"))
  #expect(try replace("\"frameSamples\":4", "\"frameSamples\":0").contains("frameSamples 0"))
  #expect(try replace("\"grid\":2", "\"grid\":99999").contains("grid 99999"))
  #expect(try replace("\"version\":2", "\"version\":3").contains("format version 3 (this program reads version 2)"))
  // Four bytes of the second entry: the size of the frame.
  #expect(
    try message { $0.replaceSubrange($0.count - 13..<$0.count - 9, with: [0xFE, 0xFF, 0xFF, 0x7F]) }.contains(
      "frame 0 claims 2147483646 bytes"))
  #expect(try message { $0 = Data() }.contains("has 0 bytes"))
  #expect(try message { $0 = Data(count: 1000) }.contains("does not end in a seek table"))
  #expect { try ShardReader(folder.path) } throws: { "\($0)".hasSuffix("is a folder, a pipe or a device; name a plain file") }
}

@Test func tokensOutsideTheVocabularyAreRefused() throws {
  let folder = try Folder()
  let path = ShardSet.path(folder.path, "train", 0)
  let writer = ShardWriter(path, header: header)
  try writer.append(TokenSample(texts: [[1], [300]], image: [0, 0, 0, 0]))
  try writer.finish()
  #expect { try ShardReader(path).frame(0) } throws: {
    "\($0)".contains("text token 300") && "\($0)".contains("frame 0, sample 0")
  }
}

@Test func shardsThatDoNotMatchAreRefused() throws {
  let folder = try Folder()
  _ = try folder.write(0, 0..<3)
  var other = header
  other.dvae = "e"
  #expect { try ShardSet(folder.path, "train", expected: other) } throws: { "\($0)".contains("dVAE SHA-256 is d, expected e") }
  _ = try folder.write(1, 0..<3, other)
  #expect { try ShardSet(folder.path, "train") } throws: { "\($0)".contains("train-00001") }
  #expect { try ShardSet(folder.path, "validation") } throws: { "\($0)".contains("no validation shards") }
}

private func set(_ folder: Folder, sizes: [Int]) throws -> ShardSet {
  var first = 0
  for (index, size) in sizes.enumerated() {
    _ = try folder.write(index, first..<first + size)
    first += size
  }
  return try ShardSet(folder.path, "train", expected: header)
}

/// Number of a sample in its set, from its tokens.
private func number(_ pair: TokenPair) -> Int { Int(pair.image[0]) + 9 * Int(pair.image[1]) + 81 * Int(pair.image[2]) }

/// Batches of any size, on any number of ranks, give the same stream: each epoch has every sample once, in an order that depends
/// on the epoch and the seed.
@Test(arguments: [1, 2, 3, 4, 7]) func theStreamHasEachSampleOncePerEpoch(ranks: Int) throws {
  let folder = try Folder()
  let set = try set(folder, sizes: [11, 4, 7, 41])
  let count = 63
  #expect(set.samples == count)
  for window in [1, 2, 64] {
    for batch in [1, 6, 100] {
      var stream: [Int] = []
      let samplers = (0..<ranks).map { _ in ShardSampler(set, seed: 5, windowFrames: window) }
      for start in stride(from: 0, to: 3 * count, by: batch) {
        for (rank, sampler) in samplers.enumerated() {
          let part = try sampler.pairs(start + batch * rank / ranks..<start + batch * (rank + 1) / ranks)
          #expect(part.allSatisfy { $0.text == sample(number($0)).texts[0] })
          stream += part.map(number)
        }
      }
      let epochs = (0..<3).map { Array(stream[$0 * count..<($0 + 1) * count]) }
      for epoch in epochs { #expect(epoch.sorted() == Array(0..<count)) }
      #expect(Set(epochs).count == 3)
      #expect(try stream == ShardSampler(set, seed: 5, windowFrames: window).pairs(0..<stream.count).map(number))
      #expect(try stream != ShardSampler(set, seed: 6, windowFrames: window).pairs(0..<stream.count).map(number))
    }
  }
}

/// The shuffle mixes all shards: 16 consecutive samples come from many of 16 shards.
@Test func theShuffleIsGlobal() throws {
  let folder = try Folder()
  let set = try set(folder, sizes: [Int](repeating: 40, count: 16))
  let epoch = try ShardSampler(set, seed: 1).pairs(0..<640).map(number)
  for first in stride(from: 0, to: 640, by: 16) {
    // Independent draws miss 16 * (15/16)^16 = 5.7 of the 16 shards; samples of 10 consecutive frames would come from 1 or 2.
    #expect(Set(epoch[first..<first + 16].map { $0 / 40 }).count >= 5)
  }
}

/// A stream that starts at any position reads only the frame of its first sample.
@Test(arguments: [0, 17, 62, 63 * 1_000_000 + 5, 63 << 40]) func aStreamStartsAnywhere(position: Int) throws {
  let folder = try Folder()
  let set = try set(folder, sizes: [11, 4, 7, 41])
  let expected = try ShardSampler(set, seed: 5).pairs(position..<position + 1)[0]
  // Damages every frame but one, in its first byte.
  let (shard, frame) = try #require(
    set.shards.indices.lazy.flatMap { shard in (0..<set.shards[shard].frameCount).map { (shard, $0) } }
      .first { try! set.shards[$0.0].frame($0.1).samples.contains { $0.image == expected.image } })
  for (index, reader) in set.shards.enumerated() {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: reader.path))
    let magic = Data([0x28, 0xB5, 0x2F, 0xFD])
    var (start, number) = (bytes.startIndex, 0)
    while let found = bytes.range(of: magic, in: start..<bytes.endIndex) {
      if (index, number) != (shard, frame) { bytes[found.lowerBound] = 0 }
      (start, number) = (found.upperBound, number + 1)
    }
    #expect(number == reader.frameCount)
    try bytes.write(to: URL(fileURLWithPath: reader.path))
  }
  let damaged = try ShardSet(folder.path, "train")
  #expect(try ShardSampler(damaged, seed: 5).pairs(position..<position + 1) == [expected])
  #expect(throws: DalleError.self) { try ShardSampler(damaged, seed: 5).pairs(position..<position + 63) }
}

/// Every caption of a sample occurs, about equally often.
@Test func oneOfSeveralCaptionsIsChosenEachEpoch() throws {
  let folder = try Folder()
  let writer = ShardWriter(ShardSet.path(folder.path, "train", 0), header: header)
  for number in 0..<10 {
    try writer.append(TokenSample(texts: (0..<3).map { [UInt16(number), UInt16($0)] }, image: [0, 1, 2, UInt16(number % 9)]))
  }
  try writer.finish()
  let set = try ShardSet(folder.path, "train")
  let pairs = try ShardSampler(set, seed: 3).pairs(0..<3000)
  let counts = Dictionary(grouping: pairs, by: \.text).mapValues(\.count)
  #expect(counts.count == 30)
  // 300 epochs, a third each: 100 with a standard deviation of 8.2.
  #expect(counts.values.allSatisfy { (60...140).contains($0) })
  #expect(try ShardSampler(set, seed: 3).pairs(1234..<1240) == Array(pairs[1234..<1240]))
}

@Test func batchesArriveInOrderAndErrorsReachTheConsumer() throws {
  struct Bad: Error {}
  let batches = Prefetcher(startingAt: 3, capacity: 2) { number in
    if number == 8 { throw Bad() }
    return number
  }
  for number in 3..<8 { #expect(try batches.next() == number) }
  #expect(throws: Bad.self) { try batches.next() }
  #expect(throws: Bad.self) { try batches.next() }
  batches.stop()
}
