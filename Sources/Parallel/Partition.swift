import Layers
import Optimization

/// Which rank of a node owns which rows of which parameters: it sums their gradient, keeps their optimizer state current and
/// updates them. Depends on the table, the number of ranks and what the optimizer asks for, on nothing else.
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

  /// Indexed by rank, then block; in the order of the block's parameters.
  private let owned: [[[Piece]]]

  package init(_ table: ParameterTable, ranks: Int, granularity: (Parameter) -> UpdateGranularity = { _ in .rows }) {
    var owned = Array(repeating: Array(repeating: [Piece](), count: table.blocks.count), count: ranks)
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
          owned[rank][index].append(Piece(parameter: parameter, rows: rows))
        }
      }
    }
    self.owned = owned
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

  /// The floats of a block that a rank owns, as runs that are as long as they can be, in ascending order.
  package func ranges(of block: BlockID, rank: Int) -> [Range<Int>] {
    pieces(of: block, rank: rank).reduce(into: []) { ranges, piece in
      // A parameter begins at a multiple of 16; what lies between two is padding, which is zero everywhere.
      if let last = ranges.last, (last.upperBound + 15) & ~15 >= piece.range.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<piece.range.upperBound
      } else {
        ranges.append(piece.range)
      }
    }
  }
}
