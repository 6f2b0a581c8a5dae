import Testing

@testable import Datasets

@Suite struct CaptionTests {
  @Test(arguments: [
    ("a dog &amp; a cat", "a dog & a cat"), ("AT&T &copy; 2004", "AT&T © 2004"), ("caf&eacute; &#233; &#xE9;", "café é é"),
    ("it&#146;s &amp;quot;so&amp;quot;", "it’s \"so\""), ("&#0; &#55296; &unknown; &amp", "&#0; &#55296; &unknown; &amp"),
    ("a <b>bold</b> <i class=\"x\">word</i>", "a bold word"), ("one<br/>two<BR>three</p>", "one two three"),
    ("<a href='x>y'>link</a><!-- no -->", "link"), ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
    ("a < b and c > d", "a < b and c > d"), ("a <b and c> d", "a <b and c> d"), ("<3 cats <-- here", "<3 cats <-- here"),
    ("non&nbsp;breaking\u{A0}space", "non breaking space"), ("soft\u{AD}hyphen zero\u{200B}width", "softhyphen zerowidth"),
    ("a\u{1}b\u{85}c\u{9B}d", "a b c d"), ("👩\u{200D}🚀 🏳️\u{200D}🌈", "👩\u{200D}🚀 🏳️\u{200D}🌈"),
  ]) func cleaned(_ caption: String, _ expected: String) {
    #expect(CaptionText.clean(caption) == expected)
  }

  @Test(arguments: ["\u{200D}", "\u{200E}\u{200F}", "\u{FE0F}", "\u{2800}\u{2800}", "\u{3164}", "\u{E000}", "\u{202A}\u{202C}"])
  func invisible(_ caption: String) throws {
    #expect(try CaptionFilter(Filters()).problem(caption)?.reason == .invisibleCaption)
  }

  @Test(arguments: ["!", "😀", "é", "ا", "\u{200F}ا", "1"]) func visible(_ caption: String) throws {
    #expect(try CaptionFilter(Filters()).problem(caption) == nil)
  }

  private func isBoilerplate(_ caption: String) throws -> Bool {
    var filters = Filters()
    filters.boilerplate = true
    return try CaptionFilter(filters).problem(caption)?.reason == .boilerplate
  }

  @Test(arguments: [
    "photographed on 3 May 2009", "Photo taken on May 3rd, 2009", "picture taken in 2009-05-03", "Taken in Paris, 2004",
    "photographed in New York on 12 June 1998", "IMG_2034.jpg", "DSC01234", "Screenshot 2021", "file photo", "untitled",
    "No description available", "© 2004 John Smith", "Copyright 2010 by Somebody", "All rights reserved", "https://example.org/a",
    "stock photo, shutterstock", "Thumbnail for version as of 10:12, 3 May 2009", "click here to enlarge",
  ]) func boilerplate(_ caption: String) throws {
    #expect(try isBoilerplate(caption))
  }

  @Test(arguments: [
    "A dog, taken in Paris, 2004", "a dog, taken in 2004", "copyright", "red car for sale", "picture on a wall with 100 dogs",
    "a no caption needed moment", "an untitled painting of a sea", "a man is about to click on a link", "a dog © 2004",
    "a photo of 12 dogs", "a shot in the dark in 1965 by a soldier", "image of the year 2001", "Paris in May 2009",
    "portrait of a woman, photographed on 3 May 2009",
  ]) func description(_ caption: String) throws {
    #expect(try !isBoilerplate(caption))
  }
}
