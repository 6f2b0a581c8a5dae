import Errors
import Foundation
import Images

/// Which samples a dataset includes. The defaults skip only what cannot be used; `published` has the limits of the paper.
package struct Filters: Codable, Equatable, Sendable {
  package enum Duplicates: String, Codable, CaseIterable, Sendable {
    /// Keeps every sample.
    case keep
    /// Of samples with the same image file the first is kept, with the captions of all.
    case merge
    /// Also drops near duplicates: of images that look the same the first is kept.
    case near
  }

  /// Fewest and most characters of a caption.
  package var minimumCharacters = 1
  package var maximumCharacters = 10_000
  /// Smallest share of letters among a caption's characters that are not spaces.
  package var letterShare = 0.0
  /// The script that at least four fifths of a caption's letters must have; nil for any.
  package var script: Script?
  /// Skips captions that are mostly phrases such as "photographed on 3 May 2009".
  package var boilerplate = false
  /// Skips captions in which one of these regular expressions (ICU) matches.
  package var patterns: [String] = []
  /// Largest ratio of the longer side to the shorter; 0 for any.
  package var aspectRatio = 0.0
  /// Smallest length of the shorter side, in pixels.
  package var minimumSide = 1
  /// Largest image, in pixels and in bytes of its file: a larger one could fill the memory.
  package var maximumPixels = Image.pixelLimit
  package var maximumBytes = 64 << 20
  package var duplicates = Duplicates.merge

  package init() {}

  /// Section 2.3 and its source, Sharma et al. 2018: skips captions that are too short, not English (here: not in Latin
  /// script) or boilerplate, and aspect ratios outside [1/2, 2].
  package static var published: Filters {
    var filters = Filters()
    filters.minimumCharacters = 5
    filters.letterShare = 0.5
    filters.script = .latin
    filters.boilerplate = true
    filters.aspectRatio = 2
    return filters
  }
}

/// A script of Unicode, by its main blocks.
package enum Script: String, Codable, CaseIterable, Sendable {
  case latin, greek, cyrillic, hebrew, arabic, devanagari, thai, hangul, kana, han

  private var blocks: [ClosedRange<UInt32>] {
    switch self {
    case .latin: [0x41...0x24F, 0x250...0x2AF, 0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF, 0xFF21...0xFF5A]
    case .greek: [0x370...0x3FF, 0x1F00...0x1FFF]
    case .cyrillic: [0x400...0x52F, 0x1C80...0x1C8F, 0x2DE0...0x2DFF, 0xA640...0xA69F]
    case .hebrew: [0x590...0x5FF, 0xFB1D...0xFB4F]
    case .arabic: [0x600...0x6FF, 0x750...0x77F, 0x8A0...0x8FF, 0xFB50...0xFDFF, 0xFE70...0xFEFF]
    case .devanagari: [0x900...0x97F, 0xA8E0...0xA8FF]
    case .thai: [0xE00...0xE7F]
    case .hangul: [0x1100...0x11FF, 0x3130...0x318F, 0xAC00...0xD7AF]
    case .kana: [0x3040...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9F]
    case .han: [0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2FA1F]
    }
  }

  func contains(_ letter: Unicode.Scalar) -> Bool { blocks.contains { $0.contains(letter.value) } }
}

/// Applies the filters of captions; the regular expressions are compiled once.
struct CaptionFilter: @unchecked Sendable {
  // Safe to share: NSRegularExpression is immutable, and its documentation allows use by several threads.
  private let filters: Filters
  private let patterns: [NSRegularExpression]
  private let boilerplate: [NSRegularExpression]

  /// Phrases about a file, a page or a camera, not about what the image shows.
  private static let phrases = [
    #"\b(photo|photograph|picture|image|shot|captured|taken)(ed|graphed)?\s+(on|in|at)\s+[\w\s,./:-]*\d{2,4}\b"#,
    #"\b(img|dsc|dscn|dscf|pict|mvi|screenshot|scan)[ _-]?\d{2,}\b"#,
    #"\S+\.(jpe?g|png|gif|webp|bmp|tiff?)\b"#,
    #"\bthumbnail for version as of\b.*"#,
    #"\b(this|the)?\s*(image|picture|photo) may contain\b"#,
    #"\b(stock (photo|photography|image|vector|illustration)s?|royalty[- ]free|getty images|shutterstock|istock|alamy)\b"#,
    #"\bclick (here|to|on)\b.*"#, #"\b(all rights reserved|copyright|©)\b.*"#, #"\b(untitled|no (title|caption|description))\b"#,
    #"https?://\S+"#, #"\bfile photo\b"#, #"\bfor sale\b"#,
  ]

  init(_ filters: Filters) throws {
    self.filters = filters
    patterns = try filters.patterns.map { pattern in
      do {
        return try NSRegularExpression(pattern: pattern, options: [.caseInsensitive])
      } catch { throw DalleError(.configuration, "`--drop-pattern \(pattern)` is not a regular expression; use ICU's syntax") }
    }
    boilerplate = try Self.phrases.map { try NSRegularExpression(pattern: $0, options: [.caseInsensitive]) }
  }

  /// Why a caption is skipped; nil if it passes.
  func problem(_ caption: String) -> (reason: SkipReason, detail: String)? {
    let characters = caption.count
    if characters < filters.minimumCharacters {
      return (
        .captionLength,
        "the caption has \(characters) \(characters == 1 ? "character" : "characters") (at least \(filters.minimumCharacters))"
      )
    }
    if characters > filters.maximumCharacters {
      return (.captionLength, "the caption has \(characters) characters (at most \(filters.maximumCharacters))")
    }
    if filters.letterShare > 0 || filters.script != nil, let problem = lettersProblem(caption) { return problem }
    let whole = NSRange(caption.startIndex..., in: caption)
    for pattern in patterns where pattern.firstMatch(in: caption, range: whole) != nil {
      return (.boilerplate, "the caption matches `\(pattern.pattern)`: \(caption)")
    }
    if filters.boilerplate {
      var isCovered = [Bool](repeating: false, count: whole.length)
      for phrase in boilerplate {
        for match in phrase.matches(in: caption, range: whole) {
          for index in match.range.lowerBound..<match.range.upperBound { isCovered[index] = true }
        }
      }
      if 2 * isCovered.count(where: { $0 }) >= whole.length {
        return (.boilerplate, "the caption is mostly boilerplate: \(caption)")
      }
    }
    return nil
  }

  private func lettersProblem(_ caption: String) -> (SkipReason, String)? {
    let visible = caption.unicodeScalars.filter { !$0.properties.isWhitespace }
    let letters = visible.filter(\.properties.isAlphabetic)
    if Double(letters.count) < filters.letterShare * Double(visible.count) {
      return (
        .letterShare,
        "\(letters.count) of \(visible.count) characters are letters (a share of at least \(filters.letterShare)): \(caption)"
      )
    }
    if let script = filters.script, 5 * letters.count(where: script.contains) < 4 * letters.count {
      return (.script, "the caption is not in \(script.rawValue) script: \(caption)")
    }
    return nil
  }
}
