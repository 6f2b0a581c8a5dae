import Foundation

extension ReportPage {
  /// Characters of a caption that are shown at once, and when it is unfolded.
  private static let captionStart = 220
  private static let captionLimit = 4000
  private static let captionsShown = 3

  var samples: HTML? {
    if cards.isEmpty { return nil }
    let hasReconstructions = cards.contains { $0.images.count > 1 }
    let note =
      hasReconstructions
      ? "Random training samples: the center crop of each image, and beside it its reconstruction by the dVAE."
      : "Random training samples."
    return """
      <p class="note">\(note)</p>
      <div class="\(hasReconstructions ? "cards pairs" : "cards")">
      \(cards.map(card))</div>

      """
  }

  private func card(_ card: SampleCard) -> HTML {
    let images = card.images.map { image -> HTML in
      // Enlarged pixels stay sharp.
      let kind = max(image.width, image.height) < 128 ? "pixels" : ""
      return """
        <img class="\(kind)" src="\(image.address)" width="\(image.width)" height="\(image.height)" alt="\(image.name)"/>
        """
    }
    let problem = card.problem.map { reason -> HTML in "<p class=\"problem\">no image: \(reason)</p>" }
    let name = (card.sample.location as NSString).lastPathComponent
    let captions = card.sample.captions
    let hidden: HTML = """
      <details><summary>\(NumberText.amount(captions.count - Self.captionsShown, "more caption"))</summary>
      \(captions.dropFirst(Self.captionsShown).prefix(100).map(caption))</details>

      """
    return """
      <article>
      <div class="look">\(problem)\(images)</div>
      \(captions.prefix(Self.captionsShown).map(caption))\(captions.count > Self.captionsShown ? hidden : nil)\
      <p class="place">\(card.sample.width) × \(card.sample.height) · <bdi title="\(card.sample.location)">\(name)</bdi></p>
      </article>

      """
  }

  /// A caption, folded if it is long.
  private func caption(_ text: String) -> HTML {
    let begin = start(of: text, Self.captionStart)
    if begin == text { return "<p class=\"caption\" dir=\"auto\">\(text)</p>\n" }
    let whole = start(of: text, Self.captionLimit)
    let rest = whole == text ? nil : " … (the first \(NumberText.grouped(Self.captionLimit)) are shown)"
    return """
      <details class="caption"><summary><span class="start" dir="auto">\(begin) … </span><span class="unfold">all \
      \(NumberText.amount(text.count, "character"))</span></summary>
      <p dir="auto">\(whole)\(rest ?? "")</p></details>

      """
  }

  /// The beginning of a text. A character may be made of any number of signs, so those are limited, too.
  private func start(of text: String, _ limit: Int) -> String {
    String(text.prefix(limit).unicodeScalars.prefix(4 * limit))
  }
}
