import CDNN
import Memory

/// The second operand of a GEMM, `[k, n]`, as the kernel of cached steps reads it: in panels of 16 columns, one after the other,
/// with the columns of a row side by side. Packed once, it is multiplied in many steps.
///
/// In bf16 two rows lie side by side, as the CPU's instruction for pairs takes them. Rows and columns that fill a pair or a panel
/// are 0.
public struct PackedMatrix<Element: Scalar> {
  public let rows: Int  // k
  public let columns: Int  // n
  private let base: UnsafeMutablePointer<Element>

  public init(rows: Int, columns: Int, in space: inout Space) {
    (self.rows, self.columns) = (rows, columns)
    base = space.take(Element.self, count: Self.panels(columns) * Self.panelCount(rows: rows))
  }

  private static var panelColumns: Int { Int(CDNN_PANEL) }
  /// Rows side by side: a word of four bytes.
  private static var group: Int { 4 / MemoryLayout<Element>.stride }
  static func panels(_ columns: Int) -> Int { (columns + panelColumns - 1) / panelColumns }
  private static func panelCount(rows: Int) -> Int { (rows + group - 1) / group * group * panelColumns }

  /// Columns of the product from this one on.
  func panel(_ index: Int) -> UnsafeMutablePointer<Element> { base + index * Self.panelCount(rows: rows) }

  /// Takes the values of a matrix: `[k, n]`, or `[n, k]` where it is transposed.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func pack(_ matrix: MatrixView<Element>, transposed: Bool) {
    let (k, n) = transposed ? (matrix.columns, matrix.rows) : (matrix.rows, matrix.columns)
    precondition(k == rows && n == columns, "packing \(k) x \(n) as \(rows) x \(columns)")
    let (rowStep, columnStep) = transposed ? (1, matrix.stride) : (matrix.stride, 1)
    let width = Self.panelColumns
    let body = { (panels: Range<Int>) in
      for index in panels {
        let panel = panel(index)
        let count = min(width, columns - index * width)
        let source = matrix.base + index * width * columnStep
        if count < width || rows % Self.group > 0 { panel.update(repeating: Element(0), count: Self.panelCount(rows: rows)) }
        for row in 0..<rows {
          let target = panel + row / Self.group * Self.group * width + row % Self.group
          for column in 0..<count { target[column * Self.group] = source[row * rowStep + column * columnStep] }
        }
      }
    }
    // Moving a number takes about a nanosecond: threads are worth their start from about 50 microseconds on.
    if rows * columns < 1 << 16 { body(0..<Self.panels(columns)) } else { forEachPart(of: Self.panels(columns), body) }
  }
}

/// `result (+)= a · b (+ bias) (+ residual)` with sums in fp32. Each row of the result has the same bits whatever other rows there
/// are, so that an image does not change with what is sampled beside it.
///
/// - Parameters:
///   - bias: added to every row.
///   - residual: a matrix of the result's shape; not the result itself: accumulate instead.
@specialized(where Element == Float, Result == Float)
@specialized(where Element == BFloat16, Result == Float)
@specialized(where Element == BFloat16, Result == BFloat16)
public func matmul<Element: Scalar, Result: Scalar>(
  _ a: MatrixView<Element>, _ b: PackedMatrix<Element>, into result: MatrixView<Result>,
  _ destination: Destination = .overwrite, bias: Vector? = nil, residual: Matrix? = nil
) {
  precondition(
    a.columns == b.rows && result.rows == a.rows && result.columns == b.columns && bias?.count ?? b.columns == b.columns
      && residual?.rows ?? a.rows == a.rows && residual?.columns ?? b.columns == b.columns,
    "GEMM of \(a.rows) x \(a.columns) and \(b.rows) x \(b.columns) into \(result.rows) x \(result.columns)")
  let span = KernelClock.begin(.matmul)
  defer {
    KernelClock.end(span)
    KernelPauses.pause()
  }
  let width = Int(CDNN_PANEL)
  let most = Int(CDNN_PANELS)
  // The columns of a panel, from their sums.
  func finish(_ sums: UnsafePointer<Float>, rowStep: Int, first: Int) {
    let count = min(width, b.columns - first)
    let bias = bias.map { Lanes.load($0.base + first, first: count, fill: 0) }
    for row in 0..<a.rows {
      var value = Lanes.load(sums + row * rowStep)
      let target = result.base + row * result.stride + first
      if destination == .accumulate { value += Result.load(target, first: count, fill: 0) }
      if let bias { value += bias }
      if let residual { value += Lanes.load(residual.base + row * residual.stride + first, first: count, fill: 0) }
      Result.store(value, to: target, first: count)
    }
  }
  let body = { (panels: Range<Int>) in
    withUnsafeTemporaryAllocation(of: Float.self, capacity: a.rows * most * width) { sums in
      var index = panels.lowerBound
      while index < panels.upperBound {
        let group = panels.upperBound - index < most ? 1 : most
        Element.multiply(a, b.panel(index), panels: group, into: sums.baseAddress!)
        for panel in 0..<group {
          finish(sums.baseAddress! + panel * width, rowStep: group * width, first: (index + panel) * width)
        }
        index += group
      }
    }
  }
  let panels = PackedMatrix<Element>.panels(b.columns)
  // Threads are worth their start, some microseconds, from about 50 of work on. To read a number of `b` takes as long as to multiply it
  // with about ten rows.
  if b.rows * b.columns * (a.rows + 10) < 1 << 21 { body(0..<panels) } else { forEachPart(of: panels, body) }
}
