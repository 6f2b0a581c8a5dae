import Foundation

/// The markup of web pages, which captions that were alternative texts often bring along.
enum CaptionMarkup {
  /// A caption as a browser shows it: entities are decoded (`&amp;` is `&`), tags of HTML are removed.
  static func removed(from caption: String) -> String {
    var text = caption
    // Twice, because texts that were escaped twice are frequent: `&amp;quot;`.
    for _ in 0..<2 {
      guard text.utf8.contains(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "<") }) else { break }
      let before = text
      text = withoutTags(withoutEntities(text))
      if text == before { break }
    }
    return text
  }

  // MARK: Tags

  /// Attributes need a value, so that `a <b and c> d` remains.
  private static let attributes = #"(?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s<>"']+))*\s*/?>"#
  /// Tags that part words.
  private static let blocks = expression(
    "</?(?:blockquote|br|center|div|dd|dl|dt|figcaption|figure|h[1-6]|hr|li|ol|p|pre|table|tbody|td|th|thead|tr|ul)" + attributes)
  private static let inlines = expression(
    "</?(?:a|abbr|b|big|cite|code|del|em|font|i|img|ins|mark|q|s|small|span|strike|strong|sub|sup|tt|u)" + attributes
      + "|<!--.*?-->")

  private static func expression(_ pattern: String) -> NSRegularExpression {
    // The patterns above are correct.
    try! NSRegularExpression(pattern: pattern, options: [.caseInsensitive])
  }

  private static func withoutTags(_ text: String) -> String {
    guard text.contains("<") else { return text }
    return [(blocks, " "), (inlines, "")].reduce(text) { text, rule in
      rule.0.stringByReplacingMatches(in: text, range: NSRange(text.startIndex..., in: text), withTemplate: rule.1)
    }
  }

  // MARK: Entities

  private static let entity = expression("&(?:#([0-9]{1,7})|#x([0-9a-f]{1,6})|([a-z][a-z0-9]{1,7}));")

  private static func withoutEntities(_ text: String) -> String {
    guard text.contains("&"), text.contains(";") else { return text }
    let source = text as NSString
    var (result, end) = ("", 0)
    for match in entity.matches(in: text, range: NSRange(location: 0, length: source.length)) {
      func group(_ number: Int) -> String? {
        match.range(at: number).location == NSNotFound ? nil : source.substring(with: match.range(at: number))
      }
      let character =
        group(1).flatMap { UInt32($0) }.flatMap(character) ?? group(2).flatMap { UInt32($0, radix: 16) }.flatMap(character)
        ?? group(3).flatMap { names[$0] }
      guard let character else { continue }
      result += source.substring(with: NSRange(location: end, length: match.range.location - end)) + character
      end = match.range.location + match.range.length
    }
    return result + source.substring(from: end)
  }

  /// The character of a number; 128 to 159 are those of Windows-1252, as in browsers.
  private static func character(_ number: UInt32) -> String? {
    if (128..<160).contains(number) { return String(bytes: [UInt8(number)], encoding: .windowsCP1252) }
    return number == 0 ? nil : Unicode.Scalar(number).map { String(Character($0)) }
  }

  /// Named entities: those of Latin-1 (U+00A0 and following, in order), and the frequent ones beyond it.
  private static let names: [String: String] = {
    let latin1 = """
      nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para \
      middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute \
      Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute \
      THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde \
      ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml
      """
    var names = [
      "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "ndash": "–", "mdash": "—", "lsquo": "‘", "rsquo": "’",
      "sbquo": "‚", "ldquo": "“", "rdquo": "”", "bdquo": "„", "bull": "•", "hellip": "…", "euro": "€", "trade": "™",
      "OElig": "Œ", "oelig": "œ", "Scaron": "Š", "scaron": "š", "Yuml": "Ÿ", "prime": "′", "Prime": "″", "minus": "−",
      "larr": "←", "rarr": "→", "hearts": "♥", "thinsp": "\u{2009}", "ensp": "\u{2002}", "emsp": "\u{2003}", "zwj": "\u{200D}",
      "zwnj": "\u{200C}", "AMP": "&", "LT": "<", "GT": ">", "QUOT": "\"",
    ]
    for (offset, name) in latin1.split(separator: " ").enumerated() {
      names[String(name)] = String(Character(Unicode.Scalar(UInt8(0xA0 + offset))))
    }
    return names
  }()
}
