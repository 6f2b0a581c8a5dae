import Datasets
import Files
import Foundation
import Safetensors
import Shards
import Tokenizer
import Training

/// A parser of files from elsewhere, for the fuzzer and the tests. Any bytes must give a valid value, or an error that names the
/// file: anything else is a finding, and ends the process.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// A whole file, and the tokens of a frame in an otherwise valid file: the fuzzer cannot guess checksums.
  case shard, frame
  case tar, jsonl, csv, tsv, json
  /// A source on its whole way into a dataset, a source as the command line names it, a caption, and a finished dataset.
  case collect, source, caption, dataset
  /// A tokenizer's file, and text for valid tokenizers.
  case tokenizer, encode
  case safetensors, config

  /// Returns whether the parser accepted the bytes.
  @discardableResult
  package func feed(_ bytes: Data, _ file: FuzzFile) -> Bool {
    file.fill(self == .frame ? FrameShard.file(bytes) : bytes)
    do {
      switch self {
      case .shard: _ = try Self.readShard(file.path)
      case .frame: try Self.readFrame(file.path, bytes)
      case .tar: try Self.readTar(file.path)
      case .jsonl: try Self.readManifest(file.path, .jsonl, bytes.count)
      case .csv: try Self.readManifest(file.path, .csv, bytes.count)
      case .tsv: try Self.readManifest(file.path, .tsv, bytes.count)
      case .json: try Self.readManifest(file.path, .json, bytes.count)
      case .collect: try FuzzCollection.collect(bytes, in: file.path + "-folder")
      case .source: try Self.readSource(file.path, String(decoding: bytes, as: UTF8.self))
      case .caption: Self.cleanCaption(String(decoding: bytes, as: UTF8.self))
      case .dataset: try FuzzCollection.read(bytes, in: file.path + "-folder")
      case .tokenizer: try Self.readTokenizer(file.path)
      case .encode: Self.encode(String(decoding: bytes, as: UTF8.self))
      case .safetensors: try Self.readTensors(file.path)
      case .config: _ = try ConfigFile.load(file.path)
      }
      return true
    } catch {
      precondition("\(error)".contains(file.path), "an error does not name the file: \(error)")
      return false
    }
  }

  private static func readShard(_ path: String) throws -> [TokenSample] {
    let reader = try ShardReader(path)
    let samples = try (0..<reader.frameCount).flatMap { try reader.frame($0).samples }
    precondition(samples.count == reader.header.samples, "\(samples.count) samples, the header has \(reader.header.samples)")
    return samples
  }

  /// The samples must contain every token of the frame.
  private static func readFrame(_ path: String, _ bytes: Data) throws {
    let samples = try readShard(path)
    if samples.isEmpty { return }  // then the file has no frame
    let tokens = samples.flatMap { sample -> [UInt16] in
      let texts = sample.texts.flatMap { [UInt16($0.count)] + $0 }
      precondition(texts.allSatisfy { $0 < 300 } && sample.image.allSatisfy { $0 < 9 }, "a token outside its vocabulary")
      return [UInt16(sample.texts.count)] + texts + sample.image
    }
    precondition(Data(tokens.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }) == bytes.dropFirst(), "tokens changed")
  }

  private static func readTar(_ path: String) throws {
    let tar = try TarReader(path)
    let file = try RandomAccessFile(path)
    var end = 0
    while let member = try tar.nextMember() {
      // A compressed archive may claim more than memory holds.
      if member.isSparse || member.size > 1 << 20 { continue }
      let contents = try tar.contents()
      precondition(contents.count == member.size, "\(contents.count) bytes of \(member.size)")
      guard let offset = member.offset else { continue }
      precondition(offset >= end + 512 && offset % 512 == 0, "`\(member.name)` lies in another member")
      let bytes = try file.read(offset..<offset + member.size)
      precondition(bytes == Array(contents), "`\(member.name)` does not lie at its offset")
      end = offset + member.size
    }
  }

  private static func readManifest(_ path: String, _ format: ManifestReader.Format, _ count: Int) throws {
    var reader = try ManifestReader(path, format, columns: Columns())
    var records = 0
    while let record = try reader.next() {
      records += 1
      precondition(records <= count, "more records than bytes")
      switch record {
      case .success(let entry): precondition(!entry.image.isEmpty && !entry.captions.isEmpty, "an empty entry")
      case .failure(let skip): precondition(skip.location.hasPrefix(path + ":"), "`\(skip.location)` does not name the file")
      }
    }
  }

  private static func readSource(_ path: String, _ text: String) throws {
    let source = try DatasetSource(parsing: path + text)
    // Bytes: an accent at the text's beginning belongs to the path's last character.
    let rest = Array(source.path.utf8.dropFirst(path.utf8.count))
    precondition(Array(text.utf8.suffix(rest.count)) == rest || text.contains(","), "`\(text)` becomes `\(source.path)`")
    for expanded in try DatasetSource.expandBraces(source.path).prefix(1000) {
      precondition(expanded.utf8.starts(with: path.utf8), "`\(source.path)` becomes `\(expanded)`")
    }
  }

  private static func cleanCaption(_ text: String) {
    let caption = CaptionText.clean(text)
    let isClean = !caption.unicodeScalars.contains { $0.properties.generalCategory == .control || $0 == "\u{FEFF}" }
    precondition(isClean && caption.first != " " && caption.last != " ", "`\(text)` becomes `\(caption)`")
  }

  private static func readTokenizer(_ path: String) throws {
    let tokenizer = try Tokenizer(contentsOf: path)
    try tokenizer.write(to: path + "-again")
    defer { unlink(path + "-again") }
    let again = try Tokenizer(contentsOf: path + "-again")
    precondition(again.json() == tokenizer.json(), "the file changes when it is written again")
    checkRoundTrip("A small RED circle, isn't it? 12 × Ä", tokenizer)
  }

  private static let tokenizers = PreTokenizer.allCases.map { FuzzSeeds.tokenizer($0) }

  private static func encode(_ text: String) {
    for tokenizer in tokenizers {
      checkRoundTrip(text, tokenizer)
      // The text as the only caption of a dataset.
      var trainer = BPETrainer(split: tokenizer.split)
      trainer.add(text)
      checkRoundTrip(text, trainer.train(vocabulary: 300))
    }
  }

  private static func checkRoundTrip(_ text: String, _ tokenizer: Tokenizer) {
    let lower = text.unicodeScalars.map(\.properties.lowercaseMapping).joined()
    precondition(tokenizer.decode(tokenizer.encode(text)).utf8.elementsEqual(lower.utf8), "`\(text)` changes")
  }

  private static func readTensors(_ path: String) throws {
    let reader = try SafetensorsReader(path)
    for (name, tensor) in reader.tensors {
      let count =
        switch tensor.type {
        case .f32: try reader.values(name, as: Float.self).count
        case .i32: try reader.values(name, as: Int32.self).count
        default: tensor.count
        }
      precondition(count == tensor.count, "`\(name)` has \(count) values, its shape \(tensor.count)")
    }
  }
}

/// A file that is filled with one input after another; removed with its owner.
package final class FuzzFile {
  package let path = NSTemporaryDirectory() + "fuzz-\(UUID().uuidString)"
  private let descriptor: Int32

  package init() {
    descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    precondition(descriptor >= 0, "\(path) cannot be created")
  }

  deinit {
    close(descriptor)
    unlink(path)
  }

  func fill(_ bytes: Data) {
    let isFilled = bytes.withUnsafeBytes {
      ftruncate(descriptor, 0) == 0 && pwrite(descriptor, $0.baseAddress, $0.count, 0) == $0.count
    }
    precondition(isFilled, "\(path) cannot be written")
  }
}
