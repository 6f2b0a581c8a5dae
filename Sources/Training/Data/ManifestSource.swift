import Files
import Foundation
import Images

/// A JSONL manifest: each line has `image`, a path relative to the manifest, and `caption`.
public struct ManifestSource: PictureSource {
  struct Entry: Codable, Sendable {
    var image: String
    var caption: String
  }

  private let folder: String
  private let training: [Entry]
  private let validation: [Entry]
  /// Lines that are no samples, with the reason.
  public let skipped: [String]

  /// Reads the manifest. `count` samples, at most half, are held out: those whose names have the smallest hashes, so
  /// that adding samples to the manifest moves few others.
  public init(path: String, validation count: Int) throws {
    let bytes = try readFile(path)
    folder = (path as NSString).deletingLastPathComponent
    var entries: [(hash: UInt64, entry: Entry)] = []
    var skipped: [String] = []
    let decoder = JSONDecoder()
    for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { continue }
      do {
        let entry = try decoder.decode(Entry.self, from: Data(line))
        if entry.caption.allSatisfy(\.isWhitespace) {
          skipped.append("\(path):\(number + 1): the caption is empty")
        } else {
          entries.append((stableHash(entry.image + "\n" + entry.caption), entry))
        }
      } catch {
        skipped.append("\(path):\(number + 1): not a JSON object with `image` and `caption`")
      }
    }
    guard entries.count >= 2 else {
      throw ConfigError("\(path): the manifest has \(entries.count) usable lines; at least 2 are needed"
          + (skipped.first.map { " (\($0))" } ?? ""))
    }
    let held = min(count, entries.count / 2)
    let heldOut = Set(entries.indices.sorted { (entries[$0].hash, $0) < (entries[$1].hash, $1) }.prefix(held))
    training = entries.indices.filter { !heldOut.contains($0) }.map { entries[$0].entry }
    validation = entries.indices.filter { heldOut.contains($0) }.map { entries[$0].entry }
    self.skipped = skipped
  }

  private func entry(_ index: Int, _ split: Split) -> Entry {
    split == .training ? training[index] : validation[index]
  }

  public func count(_ split: Split) -> Int { split == .training ? training.count : validation.count }
  public func caption(_ index: Int, _ split: Split) -> String { entry(index, split).caption }
  public func name(_ index: Int, _ split: Split) -> String { entry(index, split).image }

  /// Captions that are not trained on.
  public func prompts(_ count: Int) -> [String] { validation.prefix(count).map(\.caption) }

  public func picture(_ index: Int, _ split: Split) throws -> Picture {
    let image = entry(index, split).image
    return try Picture(contentsOf: image.hasPrefix("/") ? image : (folder as NSString).appendingPathComponent(image))
  }
}

/// FNV-1a: the same on every machine and in every process.
func stableHash(_ text: String) -> UInt64 {
  text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
