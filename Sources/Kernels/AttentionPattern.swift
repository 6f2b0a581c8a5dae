/// Which image tokens an image token attends to (paper B.1, figure 11).
public enum AttentionKind: String, Sendable, CaseIterable, Codable {
  /// The previous `grid` tokens and itself.
  case row
  /// The tokens above it in its column and itself.
  case column
  /// A window in raster distance, after figure 11d.
  case convolutional
  /// Every earlier token and itself.
  case full

  /// The published order of layers, `layer` counted from 0: column where (layer - 1) mod 4 == 0, convolutional in the last
  /// layer, row elsewhere.
  public static func ofLayer(_ layer: Int, of layers: Int) -> AttentionKind {
    if layer == layers - 1 { return .convolutional }
    return layer >= 1 && (layer - 1) % 4 == 0 ? .column : .row
  }
}

/// The pairs that attention computes: text is causal over text; an image token attends to all text and to the image tokens
/// that its kind allows. The image part is cut into blocks of queries with one run of keys each, so that little more is
/// computed than is allowed.
public struct AttentionPattern: Sendable {
  /// Positions in the image, `start, start + stride, ...`.
  public struct Run: Sendable, Equatable {
    public let start, stride, count: Int
  }

  /// Image queries and the image keys that any of them may see.
  public struct Block: Sendable {
    public let queries: Run
    public let keys: Run
    /// `[queries · keys]`: 0 where allowed, -1e30 where not.
    public let mask: [Float]
  }

  public let kind: AttentionKind
  public let textLength: Int
  /// Width and height of the image in tokens.
  public let grid: Int
  /// Width of the convolutional window; odd.
  public let kernel: Int
  public let blocks: [Block]

  public var imageLength: Int { grid * grid }
  public var length: Int { textLength + imageLength }
  /// Text queries are computed in runs of this many.
  static let textBlock = 64
  static let forbidden: Float = -1e30

  public init(_ kind: AttentionKind, textLength: Int, grid: Int, kernel: Int) {
    self.kind = kind
    self.textLength = textLength
    self.grid = grid
    self.kernel = kernel
    let allows = { Self.allows(kind, query: $0, key: $1, grid: grid, kernel: kernel) }
    blocks = Self.runs(kind, grid: grid, kernel: kernel).map { queries, keys in
      var mask = [Float](repeating: Self.forbidden, count: queries.count * keys.count)
      for q in 0..<queries.count {
        for k in 0..<keys.count
        where allows(queries.start + q * queries.stride, keys.start + k * keys.stride) {
          mask[q * keys.count + k] = 0
        }
      }
      return Block(queries: queries, keys: keys, mask: mask)
    }
  }

  /// The definition: may image position `query` attend to image position `key`?
  public static func allows(_ kind: AttentionKind, query: Int, key: Int, grid: Int, kernel: Int) -> Bool {
    let distance = query - key
    if distance < 0 { return false }
    switch kind {
    case .row: return distance <= grid
    case .column: return distance % grid == 0
    case .convolutional:
      let half = (kernel - 1) / 2
      let across = distance % grid
      return distance / grid <= half && (across <= half || across >= grid - half)
    case .full: return true
    }
  }

  private static func runs(_ kind: AttentionKind, grid: Int, kernel: Int) -> [(queries: Run, keys: Run)] {
    // A column on its own is a strided run; below 16 tokens its products would be too small to be worth a call.
    if kind == .column && grid >= 16 {
      return (0..<grid).map { column in
        let run = Run(start: column, stride: grid, count: grid)
        return (run, run)
      }
    }
    // Whole rows, about 32 queries together.
    let rows = max(1, 32 / grid)
    return stride(from: 0, to: grid, by: rows).map { first in
      let end = min(first + rows, grid)
      let reach: Int
      switch kind {
      case .row: reach = 1
      case .convolutional: reach = (kernel - 1) / 2 + 1
      case .column, .full: reach = grid
      }
      let firstKey = max(0, first - reach)
      return (
        Run(start: first * grid, stride: 1, count: (end - first) * grid),
        Run(start: firstKey * grid, stride: 1, count: (end - firstKey) * grid)
      )
    }
  }

  /// Image positions that position `query` attends to, in ascending order.
  public func imageKeys(of query: Int) -> [Int] {
    (0...query).filter { Self.allows(kind, query: query, key: $0, grid: grid, kernel: kernel) }
  }

  /// How many image positions, a query's own among them, its keys reach back at most.
  public var reach: Int { imageLength - imageKeys(of: imageLength - 1)[0] }

  /// Query-key pairs that are allowed, text included.
  public var pairCount: Int {
    let text = textLength * (textLength + 1) / 2
    return text + (0..<imageLength).reduce(0) { $0 + textLength + imageKeys(of: $1).count }
  }

  /// Largest number of queries, and of keys with text, in one block.
  var largestBlock: (queries: Int, keys: Int) {
    (
      max(blocks.map(\.queries.count).max()!, min(textLength, Self.textBlock)),
      textLength + blocks.map(\.keys.count).max()!
    )
  }
}
