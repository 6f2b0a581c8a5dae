import Kernels
import Layers
import Memory
import Models
import TestSupport
import Testing
import Tokens

/// An image must not change with what is sampled beside it: the same bits of logits, whatever other rows a step has.
@Suite struct RowIndependenceTests {
  /// Widths of several runs of lanes, a text longer than the rows that our own kernel takes, numbers that end no run.
  private static let config = TransformerConfig(
    layers: 5, heads: 3, headSize: 48, textLength: 71, grid: 4, textVocabulary: 90, imageVocabulary: 77, convolutionKernel: 3)

  private static func token(_ caption: Int, _ position: Int, _ vocabulary: Int) -> Token {
    Token((caption * 31 + position * 17 + position * position) % vocabulary)
  }

  /// A caption, and the image tokens that each of its images is given, which depend on their numbers alone.
  private static func caption(_ number: Int) -> [Token] { (0..<(number * 13) % 72).map { token(number, $0, 90) } }
  private static func image(_ caption: Int, _ number: Int) -> [Token] { (0..<16).map { token(caption + 7 * number, $0, 77) } }

  /// The logits of every position of every image, by caption and number.
  private func logits<Element: Scalar>(
    _: Element.Type, _ captions: [Int], images: Int, _ store: any ParameterStore
  ) throws -> [[Int]: [[UInt32]]] {
    let cached = try CachedTransformer<Element>(
      Self.config, captions: captions.map(Self.caption), images: captions.map { _ in images }, store: store)
    let rows = captions.flatMap { caption in (0..<images).map { [caption, $0] } }
    var result: [[Int]: [[UInt32]]] = [:]
    for position in 0..<16 {
      let previous = position == 0 ? [] : rows.map { Self.image($0[0], $0[1])[position - 1] }
      let logits = try cached.step(position, previous: previous)
      for (index, row) in rows.enumerated() { result[row, default: []].append(logits.row(index).array.map(\.bitPattern)) }
    }
    return result
  }

  private func expectIndependence<Element: Scalar>(_ element: Element.Type, _ precision: Precision) throws {
    let parameters = LocalParameters(Transformer.table(Self.config), precision: precision)
    for block in parameters.table.blockIDs {
      fillNormal(parameters.weights(of: block).values, seed: 7, stream: UInt64(block.index), std: 0.2)
    }
    parameters.refreshComputeCopy()
    let alone = try logits(element, [3], images: 1, parameters)[[3, 0]]!
    #expect(Set(alone.joined()).count > 100, "logits that say nothing")
    for (captions, images) in [
      ([3], 2), ([3], 3), ([3], 4), ([3], 5), ([3], 16), ([3], 64), ([1, 3], 1), ([3, 1, 2], 1), ([5, 4, 3, 2], 3), ([0, 3], 32),
      (Array(0..<64), 1),
    ] {
      let together = try logits(element, captions, images: images, parameters)
      #expect(together[[3, 0]] == alone, "\(precision): captions \(captions.prefix(5)) with \(images) images")
    }
  }

  @Test func logitsDoNotDependOnOtherRows() throws {
    try expectIndependence(Float.self, .fp32)
    if Precision.fastest == .bf16 { try expectIndependence(BFloat16.self, .bf16) }
  }

  /// The kernel itself, at the lengths of sums where libraries change their ways.
  @Test(arguments: [16, 48, 100, 512, 1024, 2048]) func sumsDoNotDependOnOtherRows(k: Int) {
    func expect<Element: Scalar>(_: Element.Type, tolerance: Float) {
      func matrix(_ rows: Int, _ stream: UInt64) -> MatrixView<Element> {
        let values = normalNumbers(rows * k, stream: stream)
        return kept(values.map { Element($0) }).vector.matrix(rows: rows, columns: k)
      }
      let (a, b) = (matrix(64, 1), matrix(77, 2))
      func product(_ rows: Range<Int>, rowwise: Bool = true) -> [Float] {
        let result = kept(count: rows.count * 77).vector.matrix(rows: rows.count, columns: 77)
        matmul(a.rows(rows), b, transposing: .second, into: result, rowwise: rowwise)
        return result.vector.array
      }
      let whole = product(0..<64)
      for rows in [0..<1, 5..<7, 5..<8, 5..<9, 5..<10, 17..<33, 63..<64] {
        #expect(product(rows) == Array(whole[rows.lowerBound * 77..<rows.upperBound * 77]), "\(Element.self), rows \(rows) of \(k)")
      }
      // Sums of k products of numbers around 1, in another order.
      expectClose(whole, product(0..<64, rowwise: false), absolute: tolerance * Float(k).squareRoot(), "\(Element.self), \(k)")
    }
    expect(Float.self, tolerance: 4e-6)
    if Precision.fastest == .bf16 { expect(BFloat16.self, tolerance: 4e-6) }
  }
  @Test func sumsOfNoTermsAreZero() {
    for rows in [1, 5] {
      let (a, b, result) = (kept(count: 1), kept(count: 1), kept([Float](repeating: 7, count: rows * 3)))
      matmul(
        a.vector[0..<0].matrix(rows: rows, columns: 0), b.vector[0..<0].matrix(rows: 3, columns: 0), transposing: .second,
        into: result.vector.matrix(rows: rows, columns: 3), rowwise: true)
      #expect(result.vector.array == [Float](repeating: 0, count: rows * 3))
    }
  }
}
