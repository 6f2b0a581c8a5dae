import Testing

@testable import Reports

@Suite struct HTMLTests {
  @Test func textIsEscapedAndMarkupIsNot() {
    let text = "<b title=\"x\" id='y'>&amp;\u{0}\u{1B}\n"
    let inner: HTML = "<i>\(text)</i>"
    #expect(inner.markup == "<i>&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;\u{FFFD}\u{FFFD}\n</i>")
    let none: HTML? = nil
    let outer: HTML = "<p>\(inner)\(none)\([inner, "<br/>"])\(1234)\(12.34)\(-0.04)\(7.0)</p>"
    #expect(outer.markup == "<p>\(inner.markup)\(inner.markup)<br/>123412.307</p>")
  }

  @Test func numbersAsText() {
    #expect([0, 999, 1000, 1_234_567, -1000].map(NumberText.grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
    #expect(
      [0, 1, 99.96, 123.4, 12.34, 1.234, 0.012345, 10].map(NumberText.short) == [
        "0", "1", "100", "123", "12.3", "1.23", "0.0123", "10",
      ])
    #expect([950, 1200, 12_000, 3_400_000].map(NumberText.compact) == ["950", "1.2k", "12k", "3.4M"])
    #expect(NumberText.ratio(1.5) == "1.5 : 1" && NumberText.ratio(0.5) == "1 : 2" && NumberText.percent(1, of: 3) == "33.3 %")
    #expect(NumberText.superscript(-12) == "⁻¹²")
    #expect([0.7, 1, 3, 11, 2000, 0.03].map(NumberText.niceStep) == [1, 1, 5, 20, 2000, 0.05])
  }
}
