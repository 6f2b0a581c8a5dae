import Errors
import Files
import Foundation

/// All shards of one split, in the order of their names, checked against each other and against what the run expects.
package struct ShardSet: Sendable {
  package let shards: [ShardReader]
  /// Header of the first shard; the others differ in the number of samples alone.
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
  ///   - expected: what the run needs; shards made with another tokenizer, dVAE or shape are refused.
  ///   - mayBeEmpty: shards without samples are not refused.
  package init(_ folder: String, _ split: String, expected: ShardHeader? = nil, mayBeEmpty: Bool = false) throws {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix(split + "-") && $0.hasSuffix("." + Self.fileExtension) }.sorted()
    guard !names.isEmpty else {
      throw DalleError(
        .noInput,
        "\(folder): holds no \(split) shards (\(split)-*.\(Self.fileExtension)); make them with dalle-prep encode, or name another folder"
      )
    }
    shards = try names.map { try ShardReader(folder + "/" + $0) }
    header = shards[0].header
    for shard in shards { try shard.check(expected ?? header) }
    guard samples > 0 || mayBeEmpty else {
      throw DalleError(.data, "\(folder): its \(split) shards hold no samples; remove them and encode the dataset again")
    }
  }

  /// Every sample, in order, with its first caption.
  package func all() throws -> [TokenPair] {
    try shards.flatMap { shard in
      try (0..<shard.frameCount).flatMap { try shard.frame($0).samples.map { TokenPair(text: $0.texts[0], image: $0.image) } }
    }
  }
}
