/// Why a sample or a caption is left out. Every reason is counted, and every case listed in `skipped.jsonl`.
package enum SkipReason: String, Codable, CaseIterable, Sendable {
  case missingPicture = "picture missing"
  case unreadablePicture = "picture unreadable"
  case largePicture = "picture too large"
  case smallPicture = "picture too small"
  case aspectRatio = "aspect ratio"
  case noCaption = "no caption"
  case unreadableCaption = "caption unreadable"
  case captionLength = "caption length"
  case letterShare = "few letters"
  case script = "other script"
  case boilerplate = "boilerplate"
  case duplicate = "duplicate"
  case nearDuplicate = "near duplicate"
  case damagedSource = "source damaged"
}

/// Something that was left out: where it came from, and why.
package struct Skip: Codable, Error, Equatable, Sendable {
  package var place: String
  package var reason: SkipReason
  package var detail: String
  /// True where a caption or a file alone is left out, and the sample stays with its others.
  package var sampleStays: Bool?

  package init(_ place: String, _ reason: SkipReason, _ detail: String) {
    (self.place, self.reason, self.detail) = (place, reason, detail)
  }
}
