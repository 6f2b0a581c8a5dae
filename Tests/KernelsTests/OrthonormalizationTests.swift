import Foundation
import Kernels
import Memory
import TestSupport
import Testing

/// The part of `row` that the rows `basis` do not span, as a share of its length; in Double.
private func remainder(_ row: [Float], _ basis: [[Float]]) -> Double {
  var rest = row.map(Double.init)
  let length = sqrt(rest.reduce(0) { $0 + $1 * $1 })
  for vector in basis {
    let dot = zip(rest, vector).reduce(0) { $0 + $1.0 * Double($1.1) }
    rest = zip(rest, vector).map { $0 - dot * Double($1) }
  }
  return length == 0 ? 0 : sqrt(rest.reduce(0) { $0 + $1 * $1 }) / length
}

private func rows(_ values: [Float], _ count: Int) -> [[Float]] {
  (0..<count).map { Array(values[$0 * values.count / count..<($0 + 1) * values.count / count]) }
}

/// `count` orthonormal rows, which span the rows of `values`.
private func expectOrthonormal(_ result: [Float], spanning values: [Float], count: Int) {
  let basis = rows(result, count)
  for i in 0..<count {
    for j in 0...i {
      let dot = zip(basis[i], basis[j]).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      // Each reflection leaves an error of some 6e-8.
      #expect(abs(dot - (i == j ? 1 : 0)) < 2e-6, "rows \(i) and \(j): \(dot)")
    }
    #expect(remainder(rows(values, count)[i], basis) < 1e-5, "row \(i)")
  }
}

@Suite struct OrthonormalizationTests {
  /// More rows than a panel has, as many rows as columns, rows of no whole vectors, one number.
  @Test(arguments: [(1, 1), (1, 50), (3, 17), (32, 33), (33, 64), (70, 70), (100, 301)])
  func rowsBecomeOrthonormalAndSpanTheSame(r: Int, m: Int) {
    let values = normalNumbers(r * m, stream: 1)
    let result = kept(values)
    orthonormalizeRows(result.vector.matrix(rows: r, columns: m))
    expectOrthonormal(result.array, spanning: values, count: r)
  }

  /// What depends on earlier rows, or is nothing, becomes some unit vector; the others are still spanned. Very small numbers count.
  @Test func dependentRowsAreReplaced() {
    let (r, m) = (40, 50)
    var values = normalNumbers(r * m, stream: 2, deviation: 1e-12)
    for i in 0..<m {
      values[3 * m + i] = 2 * values[i] - values[m + i]
      values[35 * m + i] = 0
    }
    values[38 * m..<39 * m] = values[0..<m]
    let result = kept(values)
    orthonormalizeRows(result.vector.matrix(rows: r, columns: m))
    expectOrthonormal(result.array, spanning: values, count: r)
    let zeros = kept(count: 3 * 5)
    orthonormalizeRows(zeros.vector.matrix(rows: 3, columns: 5))
    #expect(zeros.array == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
  }
}
