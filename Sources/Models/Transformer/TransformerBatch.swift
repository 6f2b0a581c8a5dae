/// Captions and image tokens of some samples.
public struct TransformerBatch: Sendable {
  /// Captions as tokens; at most `textLength` each. An empty caption is all padding.
  public let text: [[Int32]]
  /// `[samples · grid²]`, raster order.
  public let image: [Int32]

  public init(text: [[Int32]], image: [Int32]) {
    self.text = text
    self.image = image
  }

  public var count: Int { text.count }

  /// The samples `rows` alone.
  public func rows(_ rows: Range<Int>) -> TransformerBatch {
    let perSample = count == 0 ? 0 : image.count / count
    return TransformerBatch(
      text: Array(text[rows]), image: Array(image[rows.lowerBound * perSample..<rows.upperBound * perSample]))
  }
}

/// Loss sums of some samples, in nats, with what they are sums over.
public struct TransformerLoss: Sendable {
  public var textNats = 0.0
  public var textTokens = 0
  public var imageNats = 0.0
  public var imageTokens = 0
  /// How long the passes took, in seconds.
  public var forwardSeconds = 0.0
  public var backwardSeconds = 0.0

  public init() {}

  public static func += (a: inout TransformerLoss, b: TransformerLoss) {
    a.textNats += b.textNats
    a.textTokens += b.textTokens
    a.imageNats += b.imageNats
    a.imageTokens += b.imageTokens
    a.forwardSeconds += b.forwardSeconds
    a.backwardSeconds += b.backwardSeconds
  }
}
