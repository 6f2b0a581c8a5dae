import Files

/// Writes the list of skips and counts them by reason: samples, and separately captions and files of samples that are kept.
package final class SkipList {
  private let file: JSONLinesWriter
  package private(set) var counts: [String: Int] = [:]
  package private(set) var partCounts: [String: Int] = [:]

  package init(_ path: String) throws { file = try JSONLinesWriter(path) }

  package func add(_ skip: Skip) throws {
    if skip.keepsSample ?? false {
      partCounts[skip.reason.rawValue, default: 0] += 1
    } else {
      counts[skip.reason.rawValue, default: 0] += 1
    }
    try file.write(skip)
  }

  package func finish() throws { try file.finish() }
}
