import CDNN
import Memory

/// GEMMs of few rows, as cached steps have them: one row for each image that is sampled. Each number of the result is summed in one
/// order, whatever the number of rows, so that an image does not change with what is sampled beside it. They read the weights where
/// they lie, where libraries first move them into an order of their own.
enum RowGEMM {
  /// With more rows, libraries are as fast.
  static let mostRows = Int(CDNN_MOST_ROWS)
  /// Columns whose sums are kept at a time.
  private static let blockColumns = 64
  /// Numbers of `b` from which on threads are worth their start, about a microsecond.
  private static let worthThreads = 1 << 16

  /// `result (+)= a · bᵀ (+ bias) (+ residual)` for at most `mostRows` rows of `a`.
  @specialized(where Element == Float, Result == Float)
  @specialized(where Element == BFloat16, Result == Float)
  @specialized(where Element == BFloat16, Result == BFloat16)
  static func gemm<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let body = { (columns: Range<Int>) in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: mostRows * blockColumns) { sums in
        for first in stride(from: columns.lowerBound, to: columns.upperBound, by: blockColumns) {
          let block = first..<min(first + blockColumns, columns.upperBound)
          Element.sumRows(o.a, o.b.rows(block), count: o.k, into: sums.baseAddress!, stride: blockColumns)
          for row in 0..<o.m { finish(o, row, block, sums.baseAddress! + row * blockColumns, result, destination) }
        }
      }
    }
    // Parts are whole runs of 16 columns, so that no two threads write to one cache line.
    if o.n * o.k < worthThreads { return body(0..<o.n) }
    forEachPart(of: (o.n + 15) / 16) { runs in body(runs.lowerBound * 16..<min(runs.upperBound * 16, o.n)) }
  }

  /// Adds what is to be added to the sums of a row, and stores it.
  @inline(__always) private static func finish<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, _ row: Int, _ columns: Range<Int>, _ sums: UnsafeMutablePointer<Float>, _ result: MatrixView<Result>,
    _ destination: Destination
  ) {
    let target = result.base + row * result.stride + columns.lowerBound
    forEachRun(columns.count) { i, count in
      var value = Lanes.load(sums + i, first: count, fill: 0)
      if destination == .accumulate { value += Result.load(target + i, first: count, fill: 0) }
      if let bias = o.bias { value += Lanes.load(bias.base + columns.lowerBound + i, first: count, fill: 0) }
      if let residual = o.residual {
        value += Lanes.load(residual.base + row * residual.stride + columns.lowerBound + i, first: count, fill: 0)
      }
      Result.store(value, to: target + i, first: count)
    }
  }
}
