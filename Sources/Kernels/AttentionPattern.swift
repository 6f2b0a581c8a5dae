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

/// The pairs of positions that attention computes.
///
/// A pattern is a dense part followed by an image part; either may be empty. The dense part attends to itself. Image positions
/// attend to the whole dense part and to the image positions that their kind allows; they are cut into blocks of queries with one
/// run of keys each, so that little more is computed than is allowed.
public struct AttentionPattern: Sendable {
  public enum Shape: Sendable, Hashable {
    /// Every position attends to the earlier ones and itself.
    case causal(length: Int)
    /// Every position attends to all.
    case bidirectional(length: Int)
    /// Text is causal; an image token attends to all text and to the image tokens that the kind allows. `grid` is width and height
    /// of the image in tokens, `kernel` the width of the convolutional window, odd.
    case image(AttentionKind, textLength: Int, grid: Int, kernel: Int)
  }

  /// Positions in the image, `start, start + stride, ...`.
  public struct Run: Sendable, Equatable {
    public let start, stride, count: Int
  }

  /// Image queries, and the image keys that are visible to any of them.
  public struct Block: Sendable {
    public let queries: Run
    public let keys: Run
    /// `[queries · keys]`: 0 where allowed, -1e30 where not.
    public let mask: [Float]
  }

  public let shape: Shape
  /// Positions of the dense part: the text, or everything.
  public let denseLength: Int
  public let imageLength: Int
  public let blocks: [Block]
  /// Query-key pairs that are allowed.
  public let pairCount: Int

  public var length: Int { denseLength + imageLength }
  /// Whether positions of the dense part attend to earlier ones alone.
  var isCausal: Bool { if case .bidirectional = shape { false } else { true } }
  /// Queries of the dense part are computed in runs of this many.
  static let denseBlock = 64
  static let forbidden: Float = -1e30

  /// Lengths and grid must be positive.
  public init(_ shape: Shape) {
    self.shape = shape
    switch shape {
    case .causal(let length), .bidirectional(let length): (denseLength, imageLength, blocks) = (length, 0, [])
    case .image(let kind, let textLength, let grid, let kernel):
      (denseLength, imageLength) = (textLength, grid * grid)
      blocks = Self.runs(kind, grid: grid, kernel: kernel).map { queries, keys in
        var mask = [Float](repeating: Self.forbidden, count: queries.count * keys.count)
        for q in 0..<queries.count {
          for k in 0..<keys.count
          where Self.allows(
            kind, query: queries.start + q * queries.stride, key: keys.start + k * keys.stride, grid: grid, kernel: kernel)
          {
            mask[q * keys.count + k] = 0
          }
        }
        return Block(queries: queries, keys: keys, mask: mask)
      }
    }
    var dense = denseLength * denseLength
    if case .bidirectional = shape {} else { dense = denseLength * (denseLength + 1) / 2 }
    pairCount = dense + imageLength * denseLength + blocks.reduce(0) { $0 + $1.mask.count { $0 == 0 } }
    precondition(length > 0, "attention over \(length) positions")
  }

  public init(_ kind: AttentionKind, textLength: Int, grid: Int, kernel: Int) {
    self.init(.image(kind, textLength: textLength, grid: grid, kernel: kernel))
  }

  /// The definition: may position `query` attend to position `key`?
  public func allows(query: Int, key: Int) -> Bool {
    switch shape {
    case .causal: return key <= query
    case .bidirectional: return true
    case .image(let kind, let text, let grid, let kernel):
      if query < text { return key <= query }
      return key < text || Self.allows(kind, query: query - text, key: key - text, grid: grid, kernel: kernel)
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
    // A column on its own is a strided run; below 16 tokens its GEMMs would be too small to be worth a call.
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
      let window: Int
      switch kind {
      case .row: window = 1
      case .convolutional: window = (kernel - 1) / 2 + 1
      case .column, .full: window = grid
      }
      let firstKey = max(0, first - window)
      return (
        Run(start: first * grid, stride: 1, count: (end - first) * grid),
        Run(start: firstKey * grid, stride: 1, count: (end - firstKey) * grid)
      )
    }
  }

  /// The visible positions of cached steps after a shared prefix: for each position after it, those after it that it attends to, in
  /// ascending order. The prefix ends at the earliest where the image begins; bidirectional attention has no cached step.
  public func visible(after prefix: Int) -> [[Int]] {
    precondition(isCausal, "bidirectional attention cannot be computed one position at a time")
    precondition(imageLength == 0 ? prefix <= length : prefix == denseLength, "a prefix of \(prefix) of \(denseLength) positions")
    guard case .image(let kind, _, let grid, let kernel) = shape else { return (0..<length - prefix).map { Array(0...$0) } }
    return (0..<imageLength).map { query in
      // No key before these, and none between, is visible.
      let candidates =
        switch kind {
        case .row: stride(from: max(0, query - grid), through: query, by: 1)
        case .column: stride(from: query % grid, through: query, by: grid)
        case .convolutional: stride(from: max(0, query - (kernel + 1) / 2 * grid), through: query, by: 1)
        case .full: stride(from: 0, through: query, by: 1)
        }
      return candidates.filter { Self.allows(kind, query: query, key: $0, grid: grid, kernel: kernel) }
    }
  }

  /// Largest number of queries, and of keys, in one block.
  var largestBlock: (queries: Int, keys: Int) {
    (
      max(blocks.map(\.queries.count).max() ?? 0, min(denseLength, Self.denseBlock)),
      denseLength + (blocks.map(\.keys.count).max() ?? 0)
    )
  }
}
