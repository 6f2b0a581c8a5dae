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

/// Every cut and every flipped byte is refused with the file's name, or changes nothing; never a crash.
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
      // In the header's hashes and shape a flip may leave a shard that reads; its samples must be the same.
      #expect(try readAll() == (0..<11).map(sample))
      unnoticed += 1
    } catch {
      #expect("\(error)".hasPrefix(path))
    }
  }
  // Letters of the two hashes and digits that leave a possible header: the set's check against the run finds those.
  #expect(unnoticed < 12)
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

@Test func shardsOfAnotherRunAreRefused() throws {
  let folder = try Folder()
  _ = try folder.write(0, 0..<3)
  var other = header
  other.dvae = "e"
  #expect { try ShardSet(folder.path, "train", expected: other) } throws: { "\($0)".contains("dVAE SHA-256 is d, expected e") }
  _ = try folder.write(1, 0..<3, other)
  #expect { try ShardSet(folder.path, "train") } throws: { "\($0)".contains("train-00001") }
  #expect { try ShardSet(folder.path, "validation") } throws: { "\($0)".contains("no validation shards") }
}

/// Three epochs cover every sample once each, in different orders; any split among ranks reads the same stream.
@Test func theStreamCoversEachSampleOnceAnEpoch() throws {
  let folder = try Folder()
  let sizes = [11, 4, 7]
  var first = 0
  for (index, size) in sizes.enumerated() {
    _ = try folder.write(index, first..<first + size)
    first += size
  }
  let set = try ShardSet(folder.path, "train", expected: header)
  #expect(set.samples == 22)
  let all = (0..<22).map { TokenPair(text: sample($0).texts[0], image: sample($0).image) }
  for window in [1, 2, 64] {
    let stream = try ShardSampler(set, seed: 5, windowFrames: window).pairs(0..<66)
    for epoch in 0..<3 {
      let part = Array(stream[epoch * 22..<(epoch + 1) * 22])
      #expect(part.count == 22)
      for sample in all { #expect(part.contains(sample)) }
    }
    #expect(Array(stream[0..<22]) != Array(stream[22..<44]))
    for ranks in 1...4 {
      var merged: [TokenPair] = []
      for batch in 0..<11 {
        for rank in 0..<ranks {
          let start = batch * 6
          let sampler = ShardSampler(set, seed: 5, windowFrames: window)
          merged += try sampler.pairs(start + 6 * rank / ranks..<start + 6 * (rank + 1) / ranks)
        }
      }
      #expect(merged == stream)
    }
  }
}

/// Every caption of a sample is seen in some epoch, about equally often.
@Test func oneOfSeveralCaptionsIsDrawnEachEpoch() throws {
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
