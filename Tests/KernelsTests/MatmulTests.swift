import Memory
import Random
import TestSupport
import Testing

@testable import Kernels

@Test func bf16RoundsToTheNearestAndToEven() {
  // 1 + 2^-8 lies in the middle of two neighbours, 1 and 1 + 2^-7; the first is even. A little more goes up.
  #expect(BFloat16(1 + 0x1p-8).float == 1)
  #expect(BFloat16((1 + 0x1p-8).nextUp).float == 1 + 0x1p-7)
  #expect(BFloat16(1 + 3 * 0x1p-8).float == 1 + 0x1p-6)
  #expect(BFloat16(-2.5).float == -2.5)
  #expect(BFloat16(.greatestFiniteMagnitude).float == .infinity)
  #expect(BFloat16(.nan).float.isNaN)
  let values = kept((0..<37).map { Float($0) * 1.2345 - 20 })
  let rounded = Buffer<BFloat16>(count: 37)
  round(values.vector, into: rounded.vector)
  #expect(rounded.array == values.array.map { BFloat16($0) })
}

/// Every way to lie, to be added to and to be written, against sums in Double.
@Test(
  arguments: [(1, 5, 3), (2, 70, 130), (3, 37, 64), (33, 16, 64), (64, 70, 31), (7, 130, 16)], [Destination.overwrite, .accumulate])
func productsMatchTheirDefinition(shape: (m: Int, n: Int, k: Int), destination: Destination) {
  for (aTransposed, bTransposed) in [(false, false), (false, true), (true, false), (true, true)] {
    for adds in [false, true] {
      func check<Element: Scalar, Result: Scalar>(_: Element.Type, _: Result.Type, tolerance: Float) {
        expectProduct(
          Element.self, Result.self, shape, aTransposed, bTransposed, destination, adds: adds, tolerance: tolerance)
      }
      check(Float.self, Float.self, tolerance: 1e-5)
      guard Precision.bf16.isSupported else { continue }
      check(BFloat16.self, Float.self, tolerance: 1e-5)  // operands are exact in bf16, sums are fp32
      check(BFloat16.self, BFloat16.self, tolerance: 5e-3)
    }
  }
}

private func expectProduct<Element: Scalar, Result: Scalar>(
  _: Element.Type, _: Result.Type, _ shape: (m: Int, n: Int, k: Int), _ aTransposed: Bool, _ bTransposed: Bool,
  _ destination: Destination, adds: Bool, tolerance: Float
) {
  let (m, n, k) = shape
  var random = RandomStream(seed: 7, UInt64(m), UInt64(n), UInt64(k))
  /// A matrix in the middle of a wider one.
  func matrix<Kind: Scalar>(_ rows: Int, _ columns: Int, _: Kind.Type) -> MatrixView<Kind> {
    let buffer = Buffer<Kind>(count: rows * (columns + 3))
    _ = Unmanaged.passRetained(buffer)
    for index in 0..<buffer.count { buffer[index] = Kind(BFloat16(random.uniform() - 0.5).float) }
    return MatrixView(buffer.base + 1, rows: rows, columns: columns, stride: columns + 3)
  }
  let a = aTransposed ? matrix(k, m, Element.self) : matrix(m, k, Element.self)
  let b = bTransposed ? matrix(n, k, Element.self) : matrix(k, n, Element.self)
  let result = matrix(m, n, Result.self)
  let bias = adds ? matrix(1, n, Float.self).row(0) : nil
  let residual = adds ? matrix(m, n, Float.self) : nil
  var expected: [Float] = []
  for i in 0..<m {
    for j in 0..<n {
      var sum = destination == .accumulate ? Double(result[i, j].float) : 0
      for l in 0..<k {
        sum += Double((aTransposed ? a[l, i] : a[i, l]).float) * Double((bTransposed ? b[j, l] : b[l, j]).float)
      }
      expected.append(Float(sum + Double(bias?[j] ?? 0) + Double(residual?[i, j] ?? 0)))
    }
  }
  let outside = (0..<m).map { result.base[$0 * result.stride + n].float }
  switch (aTransposed, bTransposed) {
  case (false, false): matmul(a, b, into: result, destination, bias: bias, residual: residual)
  case (false, true): matmul(a, b, transposing: .second, into: result, destination, bias: bias, residual: residual)
  case (true, false): matmul(a, b, transposing: .first, into: result, destination, bias: bias, residual: residual)
  case (true, true): matmul(a, b, transposing: [.first, .second], into: result, destination, bias: bias, residual: residual)
  }
  expectClose(
    (0..<m).flatMap { result.row($0).array.map(\.float) }, expected, absolute: tolerance, relative: tolerance,
    "\(m) x \(k) x \(n), \(Element.self) to \(Result.self), transposed \(aTransposed) \(bTransposed), adds \(adds)")
  #expect((0..<m).map { result.base[$0 * result.stride + n].float } == outside)
}

/// What CPUs take that multiply bf16 slowly, against fp32's products of the same numbers: smaller than a tile, and of several in each
/// direction.
@Test(
  arguments: [(5, 7, 3), (5, 7, 0), (2050, 70, 33), (40, 2060, 1030)] as [(m: Int, n: Int, k: Int)],
  [Destination.overwrite, .accumulate])
func widenedProductsAreThoseOfFP32(shape: (m: Int, n: Int, k: Int), destination: Destination) {
  let (m, n, k) = shape
  var random = RandomStream(seed: 8, UInt64(m), UInt64(n), UInt64(k))
  for transposed in [[], .first, .second, [.first, .second]] as [Operands] {
    for adds in [false, true] {
      /// The same numbers in both formats.
      func numbers(_ rows: Int, _ columns: Int) -> (Matrix, MatrixView<BFloat16>) {
        let (wide, narrow) = (Buffer<Float>(count: rows * columns), Buffer<BFloat16>(count: rows * columns))
        _ = (Unmanaged.passRetained(wide), Unmanaged.passRetained(narrow))
        for i in 0..<wide.count {
          narrow[i] = BFloat16(random.uniform() - 0.5)
          wide[i] = narrow[i].float
        }
        return (
          wide.vector.matrix(rows: rows, columns: columns), narrow.vector.matrix(rows: rows, columns: columns)
        )
      }
      let a = transposed.contains(.first) ? numbers(k, m) : numbers(m, k)
      let b = transposed.contains(.second) ? numbers(n, k) : numbers(k, n)
      let bias = adds ? numbers(1, n).0.row(0) : nil
      let residual = adds ? numbers(m, n).0 : nil
      let (expected, rounded) = numbers(m, n)
      let inFP32 = Buffer<Float>(count: m * n)
      inFP32.vector.copy(from: expected.vector)
      let result = inFP32.vector.matrix(rows: m, columns: n)
      let operands = GEMM(a.1, b.1, transposing: transposed, bias: bias, residual: residual)
      matmul(a.0, b.0, transposing: transposed, into: expected, destination, bias: bias, residual: residual)
      WidenedGEMM.multiply(operands, into: result, destination)
      WidenedGEMM.multiply(operands, into: rounded, destination)
      expectClose(result.vector.array, expected.vector.array, absolute: 1e-4, relative: 1e-5, "\(shape) \(transposed)")
      expectClose(
        rounded.vector.array.map(\.float), expected.vector.array, absolute: 1e-3, relative: 5e-3, "\(shape) \(transposed) rounded")
    }
  }
}
