import Memory

/// result = aᵀ: `[rows, columns]` into `[columns, rows]`, which do not overlap.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func transpose<Element: Scalar>(_ a: MatrixView<Element>, into result: MatrixView<Element>) {
  precondition(result.rows == a.columns && result.columns == a.rows, "the transpose of \(a.rows) x \(a.columns)")
  // Tiles whose rows and columns both stay in the first-level cache.
  let tile = 32
  for firstRow in stride(from: 0, to: a.rows, by: tile) {
    for firstColumn in stride(from: 0, to: a.columns, by: tile) {
      for column in firstColumn..<min(firstColumn + tile, a.columns) {
        for row in firstRow..<min(firstRow + tile, a.rows) { result[column, row] = a[row, column] }
      }
    }
  }
}
