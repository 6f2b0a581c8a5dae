import Kernels
import Layers
import Memory
import Random

/// A matrix M `[rows, columns]`, some rows of a parameter's gradient, as the product of two thin factors: what PowerSGD sends of it.
///
/// P has orthonormal columns as long as the shorter side of M, Q has columns as long as the longer one, and M ≈ P Qᵀ (for a matrix with
/// more rows than columns, M ≈ Q Pᵀ). Both lie as their transposes, column after column.
struct LowRankFactors {
  let piece: Partition.Piece
  let rank: Int
  var rows: Int { piece.rows.count }
  var columns: Int { piece.parameter.valuesPerRow }
  var isWide: Bool { rows <= columns }
  /// Floats of P and of Q.
  var pCount: Int { rank * min(rows, columns) }
  var qCount: Int { rank * max(rows, columns) }

  init(_ piece: Partition.Piece, rank: Int) {
    precondition(rank >= 1 && rank <= min(piece.rows.count, piece.parameter.valuesPerRow), "a rank of \(rank)")
    (self.piece, self.rank) = (piece, rank)
  }

  func p(_ values: Vector) -> Matrix { values.matrix(rows: rank, columns: min(rows, columns)) }
  func q(_ values: Vector) -> Matrix { values.matrix(rows: rank, columns: max(rows, columns)) }
  func m(_ values: Vector) -> Matrix { values.matrix(rows: rows, columns: columns) }

  /// Random normal numbers for Q, the same on all nodes and in all steps: they depend on the parameter and its rows alone.
  func fillRandom(_ q: Vector, seed: UInt64) {
    let address = fnv1a("powersgd/\(piece.parameter.name)/\(piece.rows.lowerBound)".utf8)
    fillNormal(q, seed: seed, stream: address, std: 1)
  }

  /// P = M Q, of this node's M.
  func project(_ m: Vector, _ q: Vector, into p: Vector) {
    matmul(self.q(q), self.m(m), transposing: isWide ? .second : [], into: self.p(p))
  }

  /// Q = Mᵀ P, of this node's M.
  func projectBack(_ m: Vector, _ p: Vector, into q: Vector) {
    matmul(self.p(p), self.m(m), transposing: isWide ? [] : .second, into: self.q(q))
  }

  /// `result = M - P Qᵀ`, what this node's factors leave out of its M. Changes the sign of `q`.
  func subtract(_ p: Vector, _ q: Vector, from m: Vector, into result: Vector) {
    result.copy(from: m)
    scaled(q, by: -1, into: q)
    let (first, second) = isWide ? (self.p(p), self.q(q)) : (self.q(q), self.p(p))
    matmul(first, second, transposing: .first, into: self.m(result), .accumulate)
  }

  // MARK: The product that all nodes must have to the same bit

  /// Room for `expand`.
  struct Scratch {
    let first: Matrix
    let second: PackedMatrix<Float>
  }

  func layOutScratch(_ space: inout Space) -> Scratch {
    Scratch(first: space.matrix(rows: rows, columns: rank), second: PackedMatrix(rows: rank, columns: columns, in: &space))
  }

  /// M = P Qᵀ, by the GEMM of this project: libraries choose the order of sums by the kind of CPU and the number of threads.
  func expand(_ p: Vector, _ q: Vector, into m: Vector, _ scratch: Scratch) {
    let (first, second) = isWide ? (self.p(p), self.q(q)) : (self.q(q), self.p(p))
    transpose(first, into: scratch.first)
    scratch.second.pack(second, transposed: false)
    matmul(scratch.first, scratch.second, into: self.m(m))
  }
}
