import Files

/// The list of what was left out, counted by reason: samples, and apart from them captions and files of samples that stay.
package final class SkipList {
  private let file: JSONLinesWriter
  package private(set) var counts: [String: Int] = [:]
  package private(set) var partCounts: [String: Int] = [:]

  package init(_ path: String) throws { file = try JSONLinesWriter(path) }

  package func add(_ skip: Skip) throws {
    if skip.sampleStays ?? false {
      partCounts[skip.reason.rawValue, default: 0] += 1
    } else {
      counts[skip.reason.rawValue, default: 0] += 1
    }
    try file.write(skip)
  }

  package func finish() throws { try file.finish() }
}
