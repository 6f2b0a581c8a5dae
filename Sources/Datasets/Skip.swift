/// Why a sample or a caption is skipped. Skips are counted by reason, and each is listed in `skipped.jsonl`.
package enum SkipReason: String, Codable, CaseIterable, Sendable {
  case missingImage = "image missing"
  case unreadableImage = "image unreadable"
  case largeImage = "image too large"
  case smallImage = "image too small"
  case aspectRatio = "aspect ratio"
  case noCaption = "no caption"
  case unreadableCaption = "caption unreadable"
  case captionLength = "caption length"
  case letterShare = "few letters"
  case script = "script"
  case boilerplate = "boilerplate"
  case duplicate = "duplicate"
  case nearDuplicate = "near duplicate"
  case damagedSource = "source damaged"
}

/// A sample, a caption or a file that is skipped.
package struct Skip: Codable, Error, Equatable, Sendable {
  /// `file`, `manifest:line` or `archive:key`.
  package var location: String
  package var reason: SkipReason
  package var detail: String
  /// True if a caption or a file alone is skipped, and its sample is kept.
  package var keepsSample: Bool?

  package init(_ location: String, _ reason: SkipReason, _ detail: String) {
    (self.location, self.reason, self.detail) = (location, reason, detail)
  }
}
