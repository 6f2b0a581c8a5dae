import Foundation

/// All shards of one split, in the order of their names, checked against each other and against what the run expects.
public struct ShardSet: Sendable {
  public let shards: [ShardReader]
  /// Header of the first shard; the others differ in the number of samples alone.
  public let header: ShardHeader
  public var samples: Int { shards.reduce(0) { $0 + $1.header.samples } }

  public static let fileExtension = "tok.zst"

  /// Path of shard `number` of a split.
  public static func path(_ folder: String, _ split: String, _ number: Int) -> String {
    let digits = String(number)
    return "\(folder)/\(split)-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".\(fileExtension)"
  }

  /// Opens the `split` shards in a folder.
  ///
  /// - Parameter expected: what the run needs; shards made with another tokenizer, dVAE or shape are refused.
  public init(_ folder: String, _ split: String, expected: ShardHeader? = nil) throws {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix(split + "-") && $0.hasSuffix("." + Self.fileExtension) }.sorted()
    guard !names.isEmpty else { throw ShardError(folder, "holds no \(split) shards (\(split)-*.\(Self.fileExtension))") }
    shards = try names.map { try ShardReader(folder + "/" + $0) }
    header = shards[0].header
    for shard in shards {
      var ours = shard.header
      ours.samples = 0
      var theirs = expected ?? header
      theirs.samples = 0
      guard ours == theirs else { throw ShardError(shard.path, "was made for another run: \(Self.difference(ours, theirs))") }
    }
    guard samples > 0 else { throw ShardError(folder, "its \(split) shards hold no samples") }
  }

  private static func difference(_ ours: ShardHeader, _ theirs: ShardHeader) -> String {
    let fields: [(String, String, String)] = [
      ("tokenizer SHA-256", String(ours.tokenizer.prefix(12)), String(theirs.tokenizer.prefix(12))),
      ("dVAE SHA-256", String(ours.dvae.prefix(12)), String(theirs.dvae.prefix(12))),
      ("text length", "\(ours.textLength)", "\(theirs.textLength)"), ("grid", "\(ours.grid)", "\(theirs.grid)"),
      ("text vocabulary", "\(ours.textVocabulary)", "\(theirs.textVocabulary)"),
      ("image vocabulary", "\(ours.imageVocabulary)", "\(theirs.imageVocabulary)"),
      ("samples in a frame", "\(ours.frameSamples)", "\(theirs.frameSamples)"),
    ]
    return fields.filter { $0.1 != $0.2 }.map { "\($0.0) is \($0.1), expected \($0.2)" }.joined(separator: "; ")
  }

  /// Every sample, in order.
  public func all() throws -> [TokenSample] {
    try shards.flatMap { shard in try (0..<shard.frameCount).flatMap { try shard.samples(inFrame: $0) } }
  }
}
