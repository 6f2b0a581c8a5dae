/// Byte-level BPE: text to tokens and back. Token `i < 256` is byte `i`; each merge adds one. Nothing is unknown, and there
/// are no special tokens: padding and starts are learned vectors of the transformer.
public struct Tokenizer: Sendable {
  /// Pairs of tokens in the order in which they were learned; merge `i` makes token `256 + i`.
  public let merges: [(left: UInt16, right: UInt16)]
  /// How text is cut before merging.
  public let split: PreTokenizer
  private let ranks: [UInt32: UInt16]
  private let pieces: [[UInt8]]

  public init(merges: [(left: UInt16, right: UInt16)], split: PreTokenizer) {
    precondition(256 + merges.count <= 65_536, "\(merges.count) merges do not fit 16-bit tokens")
    (self.merges, self.split) = (merges, split)
    var pieces = (0..<256).map { [UInt8($0)] }
    var ranks: [UInt32: UInt16] = [:]
    for (index, merge) in merges.enumerated() {
      precondition(Int(max(merge.left, merge.right)) < 256 + index, "merge \(index) uses a token that comes later")
      pieces.append(pieces[Int(merge.left)] + pieces[Int(merge.right)])
      ranks[Self.key(merge.left, merge.right)] = UInt16(index)
    }
    self.pieces = pieces
    self.ranks = ranks
  }

  /// Number of tokens.
  public var vocabularyCount: Int { pieces.count }

  /// The bytes of a token.
  public func bytes(of token: UInt16) -> [UInt8] { pieces[Int(token)] }

  public func encode(_ text: String) -> [UInt16] {
    var tokens: [UInt16] = []
    split.forEachPiece(of: text) { piece in
      tokens += merged(piece.map(UInt16.init)) { _ in true }
    }
    return tokens
  }

  /// Encodes with BPE dropout (Provilkov et al. 2020): at each merge step every candidate pair is passed over with
  /// probability `dropout`; a word ends when no candidate is left.
  public func encode(
    _ text: String, dropout: Float, using random: inout some RandomNumberGenerator
  ) -> [UInt16] {
    var tokens: [UInt16] = []
    split.forEachPiece(of: text) { piece in
      tokens += merged(piece.map(UInt16.init)) { _ in Float.random(in: 0..<1, using: &random) >= dropout }
    }
    return tokens
  }

  /// The text of tokens; bytes that are not UTF-8 become replacement characters.
  public func decode(_ tokens: some Sequence<UInt16>) -> String {
    String(decoding: tokens.flatMap { Int($0) < pieces.count ? pieces[Int($0)] : [] }, as: UTF8.self)
  }

  /// Applies merges to one piece: the earliest learned pair that is kept first, all its kept places at once.
  private func merged(_ piece: [UInt16], _ keeps: (Int) -> Bool) -> [UInt16] {
    var tokens = piece
    while tokens.count > 1 {
      var best = UInt16.max
      var places: [Int] = []
      for i in 0..<tokens.count - 1 {
        guard let rank = ranks[Self.key(tokens[i], tokens[i + 1])], keeps(i), rank <= best else { continue }
        if rank < best {
          best = rank
          places.removeAll(keepingCapacity: true)
        }
        places.append(i)
      }
      if places.isEmpty { break }
      var result: [UInt16] = []
      var i = 0
      var next = places.startIndex
      while i < tokens.count {
        // A place that overlaps the pair before it (a a a) is no longer there.
        while next < places.endIndex && places[next] < i { next += 1 }
        if next < places.endIndex && places[next] == i {
          result.append(256 + best)
          i += 2
        } else {
          result.append(tokens[i])
          i += 1
        }
      }
      tokens = result
    }
    return tokens
  }

  static func key(_ left: UInt16, _ right: UInt16) -> UInt32 { UInt32(left) << 16 | UInt32(right) }
}
