import Layers
import Optimization

/// Which rank of a node owns which rows of which parameters: it sums their gradient over the node. Where state is spread over nodes,
/// each node keeps the state of some of these rows and updates them; else every node does that for all. Depends on the table, the
/// numbers of ranks and nodes and what the optimizer asks for, on nothing else.
package struct Partition: Sendable {
  /// Some rows of a parameter.
  package struct Piece: Sendable {
    package let parameter: Parameter
    /// Indices of the first axis.
    package let rows: Range<Int>
    /// The same as floats of the parameter's block.
    package var range: Range<Int> {
      parameter.offset + rows.lowerBound * parameter.valuesPerRow..<parameter.offset + rows.upperBound * parameter.valuesPerRow
    }
  }

  /// Parameters with fewer floats have one owner: cutting them costs more calls than it spreads work.
  private static let smallest = 4096

  /// Over how many nodes the rows of a rank are spread.
  package let nodes: Int
  /// Indexed by rank, then block; in the order of the block's parameters.
  private let owned: [[[Piece]]]
  /// Indexed by rank · nodes + node, then block.
  private let kept: [[[Piece]]]

  /// - Parameters:
  ///   - ranks: of a node.
  ///   - nodes: over which the state of a rank's rows is spread; 1 if each node keeps all.
  package init(
    _ table: ParameterTable, ranks nodeRanks: Int, nodes: Int = 1, granularity: (Parameter) -> UpdateGranularity = { _ in .rows }
  ) {
    let ranks = nodeRanks * nodes
    var kept = Array(repeating: Array(repeating: [Piece](), count: table.blocks.count), count: ranks)
    // Whole matrices go to the rank that has least, the largest first.
    var load = Array(repeating: 0, count: ranks)
    let whole = table.parameters.filter { granularity($0) == .whole }.sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    var wholeOwner: [String: Int] = [:]
    for parameter in whole {
      let rank = load.indices.min { (load[$0], $0) < (load[$1], $1) }!
      load[rank] += parameter.count
      wholeOwner[parameter.name] = rank
    }
    for (index, block) in table.blocks.enumerated() {
      for parameter in block.parameters where parameter.count > 0 {
        for (rank, rows) in Self.rows(of: parameter, blockCount: block.count, ranks: ranks, whole: wholeOwner[parameter.name])
        where !rows.isEmpty {
          kept[rank][index].append(Piece(parameter: parameter, rows: rows))
        }
      }
    }
    (self.nodes, self.kept) = (nodes, kept)
    owned = (0..<nodeRanks).map { rank in
      table.blocks.indices.map { index in Self.merged((rank * nodes..<(rank + 1) * nodes).flatMap { kept[$0][index] }) }
    }
  }

  /// Pieces in the order of parameters and rows, those that follow each other as one.
  private static func merged(_ pieces: [Piece]) -> [Piece] {
    pieces.sorted { $0.range.lowerBound < $1.range.lowerBound }.reduce(into: []) { merged, piece in
      if let last = merged.last, last.parameter.offset == piece.parameter.offset, last.rows.upperBound == piece.rows.lowerBound {
        merged[merged.count - 1] = Piece(parameter: last.parameter, rows: last.rows.lowerBound..<piece.rows.upperBound)
      } else {
        merged.append(piece)
      }
    }
  }

  /// Who owns which rows of a parameter. Ranks take equal runs of the block's floats, cut between rows.
  private static func rows(
    of parameter: Parameter, blockCount: Int, ranks: Int, whole owner: Int?
  ) -> [(rank: Int, rows: Range<Int>)] {
    if let owner { return [(owner, 0..<parameter.rows)] }
    if parameter.count < smallest {
      return [(min(ranks - 1, (parameter.offset + parameter.count / 2) * ranks / blockCount), 0..<parameter.rows)]
    }
    // Runs of rows that fill whole cache lines, so that no two ranks write to one.
    let unit = 16 / greatestCommonDivisor(16, parameter.valuesPerRow)
    func cut(_ rank: Int) -> Int {
      if rank == ranks { return parameter.rows }
      let floats = blockCount * rank / ranks - parameter.offset
      return min(max(0, floats / (unit * parameter.valuesPerRow) * unit), parameter.rows)
    }
    return (0..<ranks).map { ($0, cut($0)..<cut($0 + 1)) }
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

  package func pieces(of block: BlockID, rank: Int) -> [Piece] { owned[rank][block.index] }

  /// Those of a rank's rows whose state a node keeps.
  package func pieces(of block: BlockID, rank: Int, node: Int) -> [Piece] { kept[rank * nodes + node][block.index] }

  /// The floats of a block that a rank owns, as runs that are as long as they can be, in ascending order.
  package func ranges(of block: BlockID, rank: Int) -> [Range<Int>] { Self.ranges(pieces(of: block, rank: rank)) }

  /// Those of them whose state a node keeps.
  package func ranges(of block: BlockID, rank: Int, node: Int) -> [Range<Int>] {
    Self.ranges(pieces(of: block, rank: rank, node: node))
  }

  private static func ranges(_ pieces: [Piece]) -> [Range<Int>] {
    pieces.reduce(into: []) { ranges, piece in
      // A parameter begins at a multiple of 16; what lies between two is padding, which is zero everywhere.
      if let last = ranges.last, (last.upperBound + 15) & ~15 >= piece.range.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<piece.range.upperBound
      } else {
        ranges.append(piece.range)
      }
    }
  }
}
