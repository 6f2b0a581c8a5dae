import Layers
import Tokens

/// Captions and image tokens of some samples.
package struct TransformerBatch: Sendable {
  /// Captions as tokens; at most `textLength` each. An empty caption is all padding.
  package let text: [[Token]]
  /// `[samples · grid²]`, raster order.
  package let image: [Token]
  /// What training drops; nil for nothing.
  package let dropout: Dropout?

  package init(text: [[Token]], image: [Token], dropout: Dropout? = nil) {
    self.text = text
    self.image = image
    self.dropout = dropout
  }

  package var count: Int { text.count }

  /// The samples `rows` alone.
  package func rows(_ rows: Range<Int>) -> TransformerBatch {
    let perSample = count == 0 ? 0 : image.count / count
    return TransformerBatch(
      text: Array(text[rows]), image: Array(image[rows.lowerBound * perSample..<rows.upperBound * perSample]),
      dropout: dropout?.rows(rows))
  }
}

/// Loss sums of some samples, in nats, with what they are sums over.
package struct TransformerLoss: Sendable {
  package var textNats = 0.0
  package var textTokens = 0
  package var imageNats = 0.0
  package var imageTokens = 0

  package init() {}

  package static func += (a: inout TransformerLoss, b: TransformerLoss) {
    a.textNats += b.textNats
    a.textTokens += b.textTokens
    a.imageNats += b.imageNats
    a.imageTokens += b.imageTokens
  }
}
