import Memory

/// GEMMs of few rows, as drawing has them: one row a picture. What takes time is reading `b`, which a kernel that first moves `b`
/// into an order of its own reads twice.
enum FewRows {
  /// With more rows, GEMMs that move `b` are faster.
  static let most = 3
  /// Numbers of `b` from which on threads are worth their start, about a microsecond.
  private static let worthThreads = 1 << 16

  /// `result (+)= a · b (+ bias) (+ residual)` for at most `most` rows of `a`, as it lies.
  @specialized(where Element == Float, Result == Float)
  @specialized(where Element == BFloat16, Result == Float)
  @specialized(where Element == BFloat16, Result == BFloat16)
  static func gemm<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, into result: MatrixView<Result>, _ destination: Destination
  ) {
    let body = { (columns: Range<Int>) in
      if o.bIsTransposed {
        rowsTimesRows(o, columns, result, destination)
      } else {
        rowsTimesColumns(o, columns, result, destination)
      }
    }
    // Parts are whole runs of 16 columns, so that no two threads write to one cache line.
    if o.n * o.k < worthThreads { return body(0..<o.n) }
    forEachPart(of: (o.n + 15) / 16) { runs in body(runs.lowerBound * 16..<min(runs.upperBound * 16, o.n)) }
  }

  /// Columns of the result are dot products with rows of `b`, one after the other, as they lie: reading ahead is the machine's.
  @inline(__always) private static func rowsTimesRows<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, _ columns: Range<Int>, _ result: MatrixView<Result>, _ destination: Destination
  ) {
    for column in columns {
      let b = o.b.row(column)
      for row in 0..<o.m { finish(o, row, column, dot(o.a.row(row), b), result, destination) }
    }
  }

  /// Rows of the result are sums of rows of `b`: 64 columns at a time, which stay in registers.
  @inline(__always) private static func rowsTimesColumns<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, _ columns: Range<Int>, _ result: MatrixView<Result>, _ destination: Destination
  ) {
    for row in 0..<o.m {
      let a = o.a.base + row * o.a.stride
      var column = columns.lowerBound
      while column < columns.upperBound {
        let count = min(64, columns.upperBound - column)
        var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        for i in 0..<o.k {
          let factor = Lanes(repeating: a[i].float)
          let b = o.b.base + i * o.b.stride + column
          sums.0 = sums.0.addingProduct(factor, Element.load(b, first: min(16, count), fill: 0))
          if count > 16 { sums.1 = sums.1.addingProduct(factor, Element.load(b + 16, first: min(16, count - 16), fill: 0)) }
          if count > 32 { sums.2 = sums.2.addingProduct(factor, Element.load(b + 32, first: min(16, count - 32), fill: 0)) }
          if count > 48 { sums.3 = sums.3.addingProduct(factor, Element.load(b + 48, first: count - 48, fill: 0)) }
        }
        for place in 0..<count {
          let lanes = place < 16 ? sums.0 : place < 32 ? sums.1 : place < 48 ? sums.2 : sums.3
          finish(o, row, column + place, lanes[place % 16], result, destination)
        }
        column += 64
      }
    }
  }

  @inline(__always) private static func finish<Element: Scalar, Result: Scalar>(
    _ o: GEMM<Element>, _ row: Int, _ column: Int, _ sum: Float, _ result: MatrixView<Result>, _ destination: Destination
  ) {
    var value = sum
    if destination == .accumulate { value += result[row, column].float }
    if let bias = o.bias { value += bias[column] }
    if let residual = o.residual { value += residual[row, column] }
    result[row, column] = Result(value)
  }
}
