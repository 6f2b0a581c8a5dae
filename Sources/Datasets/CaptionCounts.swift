/// Where captions went: each one that a source holds for an image is used, or dropped for a reason.
package struct CaptionCounts: Codable, Equatable, Sendable {
  package var found = 0
  /// By reason: those of `SkipReason`, and the two below.
  package var dropped: [String: Int] = [:]

  /// Of samples that are skipped for another reason than their captions.
  package static let ofSkipped = "of skipped samples"
  /// Of images that have the same caption already.
  package static let repeated = "repeated for one image"

  package init() {}

  package var used: Int { found - dropped.values.reduce(0, +) }

  mutating func drop(_ reason: String, _ count: Int = 1) { if count > 0 { dropped[reason, default: 0] += count } }

  static func + (one: CaptionCounts, other: CaptionCounts) -> CaptionCounts {
    var sum = one
    sum.found += other.found
    sum.dropped.merge(other.dropped, uniquingKeysWith: +)
    return sum
  }
}
