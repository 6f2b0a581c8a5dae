import Foundation
import Memory

/// GEMMs of bf16 operands by the kernels for fp32, for CPUs that multiply bf16 no faster (`Precision.fastest`). Operands are widened in
/// tiles, each number once or a few times; products of bf16 are exact in fp32, so only the order of sums differs from other ways.
enum WidenedGEMM {
  /// Of the result, and of the sums that an element gets at a time. A tile is multiplied in at least a hundred times the seconds that it
  /// takes to widen its operands, which together are 24 MB.
  private static let (rows, columns, depth) = (2048, 2048, 512)

  /// Tiles of operands, and of a result in bf16. GEMMs of several threads take turns, since each uses all threads of the process.
  private struct Scratch {
    var a = Buffer<Float>(count: 0)
    var b = Buffer<Float>(count: 0)
    var sums = Buffer<Float>(count: 0)

    /// A dense matrix in storage that grows as needed.
    static func matrix(in storage: inout Buffer<Float>, rows: Int, columns: Int) -> Matrix {
      if storage.count < rows * columns { storage = Buffer(count: rows * columns) }
      return storage.vector[0..<rows * columns].matrix(rows: rows, columns: columns)
    }
  }
  nonisolated(unsafe) private static var scratch = Scratch()
  private static let lock = NSLock()

  static func multiply<Result: Scalar>(_ o: GEMM<BFloat16>, into result: MatrixView<Result>, _ destination: Destination) {
    lock.lock()
    defer { lock.unlock() }
    for rows in parts(of: o.m, Self.rows) {
      for columns in parts(of: o.n, Self.columns) {
        let target = result.rows(rows).columns(columns)
        let direct = target as? Matrix
        let sums = direct ?? Scratch.matrix(in: &scratch.sums, rows: rows.count, columns: columns.count)
        // What the destination holds is added by the first product, or as the sums are rounded.
        var isAdded = direct != nil && destination == .accumulate
        if o.k == 0 && !isAdded { for row in 0..<sums.rows { sums.row(row).fill(0) } }
        for depth in parts(of: o.k, Self.depth) {
          let a = widen(o.a, transposed: o.transposed.contains(.first), rows, depth, in: &scratch.a)
          let b = widen(o.b, transposed: o.transposed.contains(.second), depth, columns, in: &scratch.b)
          Float.multiply(a, b, transposing: o.transposed, into: sums, isAdded ? .accumulate : .overwrite)
          isAdded = true
        }
        finish(
          sums, adding: direct == nil && destination == .accumulate, bias: o.bias.map { $0[columns] },
          residual: o.residual?.rows(rows).columns(columns), into: target)
      }
    }
  }

  private static func parts(of count: Int, _ length: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: length).map { $0..<min($0 + length, count) }
  }

  /// A tile of an operand, as it lies: transposed where the operand is.
  private static func widen(
    _ operand: MatrixView<BFloat16>, transposed: Bool, _ rows: Range<Int>, _ columns: Range<Int>, in storage: inout Buffer<Float>
  ) -> Matrix {
    let tile = transposed ? operand.rows(columns).columns(rows) : operand.rows(rows).columns(columns)
    let result = Scratch.matrix(in: &storage, rows: tile.rows, columns: tile.columns)
    forEachPart(of: tile.rows, worthwhile: tile.rows * tile.columns) { part in
      for row in part { Kernels.widen(tile.row(row), into: result.row(row)) }
    }
    return result
  }

  /// Adds to the sums what else the result has, and rounds them where it is bf16.
  private static func finish<Result: Scalar>(
    _ sums: Matrix, adding: Bool, bias: Vector?, residual: Matrix?, into result: MatrixView<Result>
  ) {
    if Result.self == Float.self && bias == nil && residual == nil { return }
    forEachPart(of: sums.rows, worthwhile: sums.rows * sums.columns) { part in
      for row in part {
        let target = result.base + row * result.stride
        forEachRun(sums.columns) { i, count in
          var value = Lanes.load(sums.base + row * sums.stride + i, first: count, fill: 0)
          if adding { value += Result.load(target + i, first: count, fill: 0) }
          if let bias { value += Lanes.load(bias.base + i, first: count, fill: 0) }
          if let residual { value += Lanes.load(residual.base + row * residual.stride + i, first: count, fill: 0) }
          Result.store(value, to: target + i, first: count)
        }
      }
    }
  }

  /// On threads where moving `numbers` takes longer than to start them, about 50 microseconds.
  private static func forEachPart(of count: Int, worthwhile numbers: Int, _ body: (Range<Int>) -> Void) {
    if numbers < 1 << 18 { body(0..<count) } else { Kernels.forEachPart(of: count, body) }
  }
}
