import Files

/// Writes the list of skips and counts them by reason: samples, and separately captions and files of samples that are kept.
package final class SkipList {
  private let file: JSONLinesWriter
  package private(set) var counts: [String: Int] = [:]
  package private(set) var partCounts: [String: Int] = [:]
  /// Location and detail of the first skipped sample, by reason.
  private(set) var examples: [String: String] = [:]

  package init(_ path: String) throws { file = try JSONLinesWriter(path) }

  package func add(_ skip: Skip) throws {
    if skip.keepsSample ?? false {
      partCounts[skip.reason.rawValue, default: 0] += 1
    } else {
      counts[skip.reason.rawValue, default: 0] += 1
      examples[skip.reason.rawValue] = examples[skip.reason.rawValue] ?? "\(skip.location): \(skip.detail)"
    }
    try file.write(skip)
  }

  package func finish() throws { try file.finish() }
}
