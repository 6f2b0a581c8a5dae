import Errors
import Files
import Foundation
import Hashing
import Images
import Random
import Shards
import Tokenizer
import Tokens

/// A throughput: the median of several repeats.
struct DataResult: Codable {
  var name: String
  var unit: String
  var median: Double
  var repeats: [Double]
  /// SHA-256 of the result, where other implementations must give the same.
  var digest: String?

  init(_ name: String, _ unit: String, _ throughputs: [Double], digest: String? = nil) {
    (self.name, self.unit, self.repeats, self.digest) = (name, unit, throughputs, digest)
    median = throughputs.sorted()[throughputs.count / 2]
  }

  var line: String {
    func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
    func short(_ value: Double) -> String { value < 1000 ? String(format: "%.1f", value) : Int(value).formatted() }
    return padded(name, 40) + padded("\(short(median)) \(unit)", 28) + "\(short(repeats.min()!)) to \(short(repeats.max()!))"
  }
}

/// Measurements of the data side.
struct DataBench {
  let repeats: Int

  /// Seconds of each repeat; the first run is not counted.
  private func time(_ body: () throws -> Void) rethrows -> [Double] {
    try body()
    return try (0..<repeats).map { _ in
      let start = ContinuousClock.now
      try body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
  }

  func tokenizer(_ captions: [String], _ split: PreTokenizer, vocabulary: Int) throws -> (Tokenizer, [DataResult]) {
    var tokenizer: Tokenizer?
    let training = time {
      var trainer = BPETrainer(split: split)
      for caption in captions { trainer.add(caption) }
      tokenizer = trainer.train(vocabulary: vocabulary)
    }
    var tokens: [[Token]] = []
    let encoding = time { tokens = captions.map { tokenizer!.encode($0) } }
    var bytes = Data()
    for token in tokens.joined() { withUnsafeBytes(of: token.littleEndian) { bytes.append(contentsOf: $0) } }
    let count = Double(bytes.count / 2)
    return (
      tokenizer!,
      [
        DataResult("train tokenizer (\(split.rawValue))", "captions/s", training.map { Double(captions.count) / $0 }),
        DataResult("encode text (\(split.rawValue))", "tokens/s", encoding.map { count / $0 }, digest: SHA256.hex(of: bytes)),
      ]
    )
  }

  func photos(_ folder: String) throws -> DataResult {
    let all: [String]
    do { all = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
      throw DalleError.file(folder, "cannot be listed", error)
    }
    let names = all.sorted().filter { ["jpg", "jpeg", "png"].contains(($0 as NSString).pathExtension.lowercased()) }
    guard !names.isEmpty else { throw DalleError(.noInput, "\(folder): has no .jpg or .png images; name a folder with some") }
    let times = try time {
      for name in names {
        _ = try Image(contentsOf: "\(folder)/\(name)", leastSide: Image.leastSide(forCropsOf: 256)).centerCrop(256)
      }
    }
    return DataResult("decode, crop, scale photos", "photos/s", times.map { Double(names.count) / $0 })
  }

  /// Reads shards of the published shape: 32 x 32 image tokens of 8192, captions of up to 64 tokens of 16,384.
  func shards() throws -> [DataResult] {
    let folder = NSTemporaryDirectory() + "dalle-bench-\(UUID().uuidString)"
    try makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let header = ShardHeader(
      textLength: 256, grid: 32, textVocabulary: 16_384, imageVocabulary: 8192, frameSamples: 128, tokenizer: "bench", dvae: "bench"
    )
    var random = RandomStream(seed: 1, stream: 1)
    // Some codes are far more frequent than others, as those of images are.
    func token(_ vocabulary: Int) -> Token {
      let share = Double(random.uniform())
      return Token(share * share * Double(vocabulary))
    }
    var tokens = 0.0
    for number in 0..<8 {
      let writer = ShardWriter(ShardSet.path(folder, "train", number), header: header)
      for _ in 0..<2048 {
        let sample = TokenSample(
          texts: [(0..<random.integer(in: 8..<64)).map { _ in token(16_384) }], image: (0..<1024).map { _ in token(8192) })
        tokens += Double(sample.texts[0].count + 1024)
        try writer.append(sample)
      }
      try writer.finish()
    }
    let set = try ShardSet(folder, "train")
    let inOrder = try time {
      for shard in set.shards { for frame in 0..<shard.frameCount { _ = try shard.frame(frame) } }
    }
    let shuffled = try time {
      let sampler = ShardSampler(set, seed: 1)
      for start in stride(from: 0, to: set.samples, by: 512) { _ = try sampler.pairs(start..<start + 512) }
    }
    return [
      DataResult("read shards, in order", "tokens/s", inOrder.map { tokens / $0 }),
      DataResult("read shards, shuffled as in training", "tokens/s", shuffled.map { tokens / $0 }),
    ]
  }
}
