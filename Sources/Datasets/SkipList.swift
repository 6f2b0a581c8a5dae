import Files

/// The list of what was left out, counted by reason: samples, and apart from them captions and files of samples that stay.
public final class SkipList {
  private let file: JSONLinesWriter
  public private(set) var counts: [String: Int] = [:]
  public private(set) var partCounts: [String: Int] = [:]

  public init(_ path: String) throws { file = try JSONLinesWriter(path) }

  public func add(_ skip: Skip) throws {
    if skip.sampleStays ?? false {
      partCounts[skip.reason.rawValue, default: 0] += 1
    } else {
      counts[skip.reason.rawValue, default: 0] += 1
    }
    try file.write(skip)
  }

  public func finish() throws { try file.finish() }
}
