import Models

/// How evenly a dVAE uses its codes.
package struct CodeStatistics: Codable, Equatable, Sendable {
  /// The folder of the training shards whose codes were counted, every sample as often as it occurs in an epoch; nil if center
  /// crops of random images were encoded for the report.
  package var shards: String?
  package var images: Int
  /// Codes in all those images.
  package var tokens: Int
  package var vocabulary: Int
  /// Different codes that occur.
  package var used: Int
  /// e to the entropy: this many codes, used equally often, would carry as much information.
  package var perplexity: Double
  /// Shares of the codes that occur, the most frequent first, at ranks that are spread evenly over all of them.
  package var curve: [Point]

  package struct Point: Codable, Equatable, Sendable {
    /// From 1.
    package var rank: Int
    package var share: Double
  }

  /// Largest number of points of the curve.
  private static let points = 160

  /// - Parameter usage: at least one code occurs.
  package init(_ usage: CodebookUsage, images: Int, shards: String?) {
    let total = usage.counts.reduce(0, +)
    precondition(total > 0, "statistics of no codes")
    (self.shards, self.images, tokens, vocabulary) = (shards, images, total, usage.counts.count)
    perplexity = usage.perplexity
    let shares = usage.counts.filter { $0 > 0 }.sorted(by: >).map { Double($0) / Double(total) }
    used = shares.count
    let last = max(1, min(Self.points, shares.count) - 1)
    curve = (0..<min(Self.points, shares.count)).map { point in
      let index = point * (shares.count - 1) / last
      return Point(rank: index + 1, share: shares[index])
    }
  }
}
