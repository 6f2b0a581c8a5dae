import Errors
import Files
import Foundation

/// All shards of one split, in the order of their names.
package struct ShardSet: Sendable {
  package let shards: [ShardReader]
  /// Header of the first shard; other shards differ only in the number of samples.
  package let header: ShardHeader
  package var samples: Int { shards.reduce(0) { $0 + $1.header.samples } }

  package static let fileExtension = "tok.zst"

  /// Path of shard `number` of a split.
  package static func path(_ folder: String, _ split: String, _ number: Int) -> String {
    "\(folder)/\(split)-\(zeroPadded(number, digits: 5)).\(fileExtension)"
  }

  /// Opens the `split` shards in a folder.
  ///
  /// - Parameters:
  ///   - expected: the header that each must match; by default that of the first shard.
  ///   - mayBeEmpty: shards without samples are not refused.
  /// - Throws: `DalleError` for a folder without such shards, and for a shard that is damaged or does not match.
  package init(_ folder: String, _ split: String, expected: ShardHeader? = nil, mayBeEmpty: Bool = false) throws {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix(split + "-") && $0.hasSuffix("." + Self.fileExtension) }.sorted()
    guard !names.isEmpty else {
      throw DalleError(
        .noInput,
        "\(folder): contains no \(split) shards (\(split)-*.\(Self.fileExtension)); encode them with dalle-prep encode, or use another folder"
      )
    }
    shards = try names.map { try ShardReader(folder + "/" + $0) }
    header = shards[0].header
    try check(expected ?? header)
    guard samples > 0 || mayBeEmpty else {
      throw DalleError(.data, "\(folder): its \(split) shards contain no samples; remove them and encode the dataset again")
    }
  }

  /// Checks that every shard matches.
  ///
  /// - Throws: `DalleError` that names the differences.
  package func check(_ expected: ShardHeader) throws { for shard in shards { try shard.check(expected) } }

  /// Every sample, in order, with its first caption.
  package func all() throws -> [TokenPair] {
    try shards.flatMap { shard in
      try (0..<shard.frameCount).flatMap { try shard.frame($0).samples.map { TokenPair(text: $0.texts[0], image: $0.image) } }
    }
  }
}
