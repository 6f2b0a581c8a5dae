import Tokens

/// Byte-level BPE: text to tokens and back. Token `i < 256` is byte `i`; each merge adds one. There are no unknown or special
/// tokens: padding and start are learned vectors of the transformer.
package struct Tokenizer: Sendable {
  /// Pairs of tokens in the order in which they were learned; merge `i` makes token `256 + i`.
  package let merges: [(left: Token, right: Token)]
  /// How text is split before merging.
  package let split: PreTokenizer
  /// The number of a merge, by its pair.
  private let ranks: PairTable
  private let pieces: [[UInt8]]

  package init(merges: [(left: Token, right: Token)], split: PreTokenizer) {
    precondition(256 + merges.count <= 65_536, "\(merges.count) merges do not fit 16-bit tokens")
    (self.merges, self.split) = (merges, split)
    var pieces = (0..<256).map { [UInt8($0)] }
    var ranks = PairTable()
    for (index, merge) in merges.enumerated() {
      precondition(Int(max(merge.left, merge.right)) < 256 + index, "merge \(index) uses a token that comes later")
      pieces.append(pieces[Int(merge.left)] + pieces[Int(merge.right)])
      let rank = ranks.number(of: PairTable.key(merge.left, merge.right))
      precondition(rank == index, "merge \(index) is merge \(rank) again")
    }
    self.pieces = pieces
    self.ranks = ranks
  }

  /// Size of the vocabulary.
  package var vocabularyCount: Int { pieces.count }

  /// The bytes of a token.
  package func bytes(of token: Token) -> [UInt8] { pieces[Int(token)] }

  package func encode(_ text: String) -> [Token] { encode(text) { true } }

  /// Encodes with BPE dropout (Provilkov et al. 2020): at each merge step every candidate pair is skipped with
  /// probability `dropout`; a word is finished when no candidate is left.
  package func encode(
    _ text: String, dropout: Float, using random: inout some RandomNumberGenerator
  ) -> [Token] {
    encode(text) { Float.random(in: 0..<1, using: &random) >= dropout }
  }

  /// The text of tokens; bytes that are not UTF-8 become replacement characters.
  package func decode(_ tokens: some Sequence<Token>) -> String {
    String(decoding: tokens.flatMap { Int($0) < pieces.count ? pieces[Int($0)] : [] }, as: UTF8.self)
  }

  /// - Parameter keeps: asked at each merge step for every candidate pair.
  @inline(__always) private func encode(_ text: String, keeps: () -> Bool) -> [Token] {
    var tokens: [Token] = []
    var scratch = Scratch()
    split.forEachPiece(of: text) { piece in
      let start = tokens.count
      for byte in piece { tokens.append(Token(byte)) }
      if piece.count > 1 { merge(&tokens, from: start, &scratch, keeps) }
    }
    return tokens
  }

  private struct Scratch {
    /// The merge of each token with the next one, or `none`.
    var ranks: [Int] = []
    /// Where the merge of a step applies.
    var positions: [Int] = []
    static let none = Int.max
  }

  /// Applies merges to the tokens from `start`: at each step the earliest learned of the kept candidates, at all positions where
  /// it is kept.
  @inline(__always) private func merge(_ tokens: inout [Token], from start: Int, _ scratch: inout Scratch, _ keeps: () -> Bool) {
    scratch.ranks.removeAll(keepingCapacity: true)
    for index in start..<tokens.count - 1 { scratch.ranks.append(rank(tokens[index], tokens[index + 1])) }
    while true {
      var best = Scratch.none
      scratch.positions.removeAll(keepingCapacity: true)
      for (index, rank) in scratch.ranks.enumerated() where rank != Scratch.none && keeps() && rank <= best {
        if rank < best {
          best = rank
          scratch.positions.removeAll(keepingCapacity: true)
        }
        scratch.positions.append(start + index)
      }
      guard var to = scratch.positions.first else { return }
      let made = Token(256 + best)
      let first = to
      var (from, next) = (to, 0)
      while from < tokens.count {
        // A position that overlaps the previous pair (a a a) is skipped.
        while next < scratch.positions.count && scratch.positions[next] < from { next += 1 }
        if next < scratch.positions.count && scratch.positions[next] == from {
          tokens[to] = made
          from += 2
        } else {
          tokens[to] = tokens[from]
          // The last token has no rank.
          if from < tokens.count - 1 { scratch.ranks[to - start] = scratch.ranks[from - start] }
          from += 1
        }
        to += 1
      }
      tokens.removeLast(tokens.count - to)
      // Ranks moved with their tokens; those beside a new token change.
      scratch.ranks.removeLast(scratch.ranks.count - (to - 1 - start))
      for index in max(start, first - 1)..<max(start, to - 1) where tokens[index] == made || tokens[index + 1] == made {
        scratch.ranks[index - start] = rank(tokens[index], tokens[index + 1])
      }
    }
  }

  @inline(__always) private func rank(_ left: Token, _ right: Token) -> Int { ranks[PairTable.key(left, right)] ?? Scratch.none }
}
