import Kernels
import Memory
import TestSupport
import Testing

/// Rounded as the kernel should, in Double: integers and the scale that gives the row back.
private func rounded(_ row: [Float]) -> (integers: [Double], scale: Double) {
  let largest = row.reduce(0) { max($0, abs($1)) }
  if largest == 0 { return (row.map { _ in 0 }, 0) }
  let scale = Double(Float(127) / largest)
  return (row.map { (Double($0) * scale).rounded(.toNearestOrEven) }, Double(largest / 127))
}

private struct Case: CustomTestStringConvertible {
  var rows, inputs, outputs: Int
  var testDescription: String { "\(rows) x \(inputs) to \(outputs)" }
}

private let cases = [
  Case(rows: 1, inputs: 16, outputs: 16), Case(rows: 5, inputs: 48, outputs: 80), Case(rows: 128, inputs: 64, outputs: 32),
  Case(rows: 131, inputs: 257, outputs: 33), Case(rows: 300, inputs: 96, outputs: 288),
]

private func products(_ c: Case) -> (arena: Arena, views: Int8Products) {
  Arena.layOut { Int8Products(layers: [(c.outputs, c.inputs)], in: &$0) }
}

/// Integers of every row and every output, multiplied in Double: the same to the rounding of the result, in fp32 and in bf16 operands, with
/// everything that can be added.
@Test(.enabled(if: Int8Products.areSupported), arguments: cases, [false, true])
private func int8LayersAreProductsOfRoundedNumbers(c: Case, isBF16: Bool) {
  let (arena, int8) = products(c)
  func numbers(_ count: Int, _ stream: UInt64) -> [Float] {
    normalNumbers(count, stream: stream).map { isBF16 ? BFloat16($0).float : $0 }
  }
  let (x, w, dy) = (numbers(c.rows * c.inputs, 1), numbers(c.outputs * c.inputs, 2), numbers(c.rows * c.outputs, 3))
  let (bias, residual) = (kept(normalNumbers(c.outputs, stream: 4)), kept(normalNumbers(c.rows * c.outputs, stream: 5)))
  let (y, dx) = (kept(count: c.rows * c.outputs), kept(count: c.rows * c.inputs))
  func run<Element: Scalar>(_ make: (Float) -> Element) {
    let (xs, ws, dys) = (kept(x.map(make)), kept(w.map(make)), kept(dy.map(make)))
    let weights = ws.vector.matrix(rows: c.outputs, columns: c.inputs)
    let out = y.vector.matrix(rows: c.rows, columns: c.outputs)
    int8.forward(
      xs.vector.matrix(rows: c.rows, columns: c.inputs), weights, into: out, bias: bias.vector,
      residual: residual.vector.matrix(rows: c.rows, columns: c.outputs))
    int8.forward(xs.vector.matrix(rows: c.rows, columns: c.inputs), weights, into: out, .accumulate)
    int8.backward(
      dys.vector.matrix(rows: c.rows, columns: c.outputs), weights, into: dx.vector.matrix(rows: c.rows, columns: c.inputs))
  }
  if isBF16 { run { BFloat16($0) } } else { run { $0 } }

  func row(_ values: [Float], _ index: Int, _ count: Int) -> [Float] { Array(values[index * count..<(index + 1) * count]) }
  func column(_ index: Int) -> [Float] { (0..<c.outputs).map { w[$0 * c.inputs + index] } }
  func product(_ a: (integers: [Double], scale: Double), _ b: (integers: [Double], scale: Double)) -> Float {
    Float(zip(a.integers, b.integers).reduce(0) { $0 + $1.0 * $1.1 } * a.scale * b.scale)
  }
  let (byOutput, byInput) = ((0..<c.outputs).map { rounded(row(w, $0, c.inputs)) }, (0..<c.inputs).map { rounded(column($0)) })
  var (expected, expectedInput): ([Float], [Float]) = ([], [])
  for index in 0..<c.rows {
    let (a, g) = (rounded(row(x, index, c.inputs)), rounded(row(dy, index, c.outputs)))
    expected += byOutput.indices.map {
      2 * product(a, byOutput[$0]) + bias.vector[$0] + residual.vector[index * c.outputs + $0]
    }
    expectedInput += byInput.map { product(g, $0) }
  }
  expectClose(y.vector.array, expected, absolute: 1e-4)
  expectClose(dx.vector.array, expectedInput, absolute: 1e-4)
  // What rounding costs: about a hundredth of the result's size.
  let exact = zip(row(x, 0, c.inputs), row(w, 0, c.inputs)).reduce(Float(0)) { $0 + $1.0 * $1.1 }
  #expect(abs((y.vector[0] - bias.vector[0] - residual.vector[0]) / 2 - exact) < 0.1 * Float(c.inputs).squareRoot())
  withExtendedLifetime(arena) {}
}

/// A row's result is its own: rows of zeros give zeros, one with what is not a number or an infinity gives nothing else, and its neighbors are
/// as they would be without it.
@Test(.enabled(if: Int8Products.areSupported)) func int8RowsAreIndependent() {
  let c = Case(rows: 6, inputs: 32, outputs: 48)
  let (arena, int8) = products(c)
  let w = kept(normalNumbers(c.outputs * c.inputs, stream: 2))
  func result(_ x: [Float]) -> [Float] {
    let (x, y) = (kept(x), kept(count: c.rows * c.outputs))
    int8.forward(
      x.vector.matrix(rows: c.rows, columns: c.inputs), w.vector.matrix(rows: c.outputs, columns: c.inputs),
      into: y.vector.matrix(rows: c.rows, columns: c.outputs))
    return y.vector.array
  }
  var x = normalNumbers(c.rows * c.inputs, stream: 1)
  let before = result(x)
  for index in 0..<c.inputs { x[2 * c.inputs + index] = 0 }
  x[3 * c.inputs + 7] = .nan
  x[4 * c.inputs + 9] = -.infinity
  let after = result(x)
  func row(_ values: [Float], _ index: Int) -> ArraySlice<Float> { values[index * c.outputs..<(index + 1) * c.outputs] }
  for index in [0, 1, 5] { #expect(row(before, index) == row(after, index)) }
  #expect(row(after, 2).allSatisfy { $0 == 0 })
  for index in [3, 4] { #expect(row(after, index).allSatisfy { $0.isNaN }) }
  // The same of weights.
  w.vector[5 * c.inputs + 1] = .nan
  let spoiled = result(x)
  for index in 0..<c.outputs { #expect(spoiled[index].isNaN == (index == 5)) }
  withExtendedLifetime(arena) {}
}
