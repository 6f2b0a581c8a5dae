import Kernels
import Layers
import Memory
import Models
import TestSupport
import Testing
import Tokens

/// An image must not change with what is sampled beside it: the same bits of logits, whatever other rows a step has.
@Suite struct RowIndependenceTests {
  /// Widths of several panels, a text longer than a session has rows, numbers that fill no panel and no pair.
  private static func config(_ architecture: TransformerArchitecture) -> TransformerConfig {
    TransformerConfig(
      layers: 5, heads: 3, headSize: 48, textLength: 71, grid: 4, textVocabulary: 90, imageVocabulary: 77, convolutionKernel: 3,
      architecture: architecture)
  }

  private static func token(_ caption: Int, _ position: Int, _ vocabulary: Int) -> Token {
    Token((caption * 31 + position * 17 + position * position) % vocabulary)
  }

  /// A caption, and the image tokens that each of its images is given, which depend on their numbers alone.
  private static func caption(_ number: Int) -> [Token] { (0..<(number * 13) % 72).map { token(number, $0, 90) } }
  private static func image(_ caption: Int, _ number: Int) -> [Token] { (0..<16).map { token(caption + 7 * number, $0, 77) } }

  /// The logits of every position of every image, by caption and number.
  private func logits<Element: Scalar>(
    _ config: TransformerConfig, _: Element.Type, _ captions: [Int], images: Int, _ weights: PackedWeights
  ) throws -> [[Int]: [[UInt32]]] {
    let cached = try CachedTransformer<Element>(
      config, captions: captions.map(Self.caption), images: captions.map { _ in images }, weights: weights)
    let rows = captions.flatMap { caption in (0..<images).map { [caption, $0] } }
    var result: [[Int]: [[UInt32]]] = [:]
    for position in 0..<16 {
      let previous = position == 0 ? [] : rows.map { Self.image($0[0], $0[1])[position - 1] }
      let logits = try cached.step(position, previous: previous)
      for (index, row) in rows.enumerated() { result[row, default: []].append(logits.row(index).array.map(\.bitPattern)) }
    }
    return result
  }

  private func expectIndependence<Element: Scalar>(
    _ config: TransformerConfig, _ element: Element.Type, _ precision: Precision
  ) throws {
    let parameters = LocalParameters(Transformer.table(config), precision: precision)
    for block in parameters.table.blockIDs {
      fillNormal(parameters.weights(of: block).values, seed: 7, stream: UInt64(block.index), std: 0.2)
    }
    parameters.refreshComputeCopy()
    let weights = try PackedWeights(parameters, precision)
    let alone = try logits(config, element, [3], images: 1, weights)[[3, 0]]!
    #expect(Set(alone.joined()).count > 100, "logits that say nothing")
    for (captions, images) in [
      ([3], 2), ([3], 3), ([3], 4), ([3], 5), ([3], 16), ([3], 64), ([1, 3], 1), ([3, 1, 2], 1), ([5, 4, 3, 2], 3), ([0, 3], 32),
      (Array(0..<64), 1),
    ] {
      let together = try logits(config, element, captions, images: images, weights)
      #expect(together[[3, 0]] == alone, "\(precision): captions \(captions.prefix(5)) with \(images) images")
    }
  }

  @Test(arguments: TransformerArchitecture.allCases) func logitsDoNotDependOnOtherRows(architecture: TransformerArchitecture) throws
  {
    let config = Self.config(architecture)
    try expectIndependence(config, Float.self, .fp32)
    if Precision.bf16.isSupported { try expectIndependence(config, BFloat16.self, .bf16) }
  }

  /// The kernel itself, against OpenBLAS and oneDNN: sums of one word and of none, of a whole block of words and one more, and in bf16
  /// of half a word; columns that fill a panel and that do not.
  @Test(arguments: [0, 1, 2, 16, 49, 100, 256, 257, 513, 2048]) func sumsDoNotDependOnOtherRows(k: Int) {
    func expect<Element: Scalar>(_: Element.Type, columns: Int) {
      func matrix(_ rows: Int, _ stream: UInt64) -> MatrixView<Element> {
        let values = normalNumbers(rows * k, stream: stream)
        return kept(values.map { Element($0) } + [Element(0)]).vector[0..<rows * k].matrix(rows: rows, columns: k)
      }
      let (a, b) = (matrix(70, 1), matrix(columns, 2))
      var space: PackedMatrix<Element>?
      let arena = Arena.layOut { space = PackedMatrix(rows: k, columns: columns, in: &$0) }.arena
      defer { withExtendedLifetime(arena) {} }
      let packed = space!
      packed.pack(b, transposed: true)
      func product(_ rows: Range<Int>) -> [Float] {
        let result = kept([Float](repeating: .nan, count: rows.count * columns)).vector.matrix(rows: rows.count, columns: columns)
        matmul(a.rows(rows), packed, into: result)
        return result.vector.array
      }
      let whole = product(0..<70)
      for rows in [0..<1, 5..<7, 5..<8, 5..<9, 5..<10, 17..<33, 6..<69, 69..<70] {
        #expect(
          product(rows) == Array(whole[rows.lowerBound * columns..<rows.upperBound * columns]),
          "\(Element.self), rows \(rows) of \(k)")
      }
      let library = kept(count: 70 * columns).vector.matrix(rows: 70, columns: columns)
      if k > 0 { matmul(a, b, transposing: .second, into: library) }
      // Sums of k products of numbers around 1, in another order.
      expectClose(whole, library.vector.array, absolute: 4e-6 * Float(k).squareRoot(), "\(Element.self), \(k)")

      // The same matrix from its transpose; a bias and a residual, as the library adds them; sums into a result.
      let transposed = kept([Element](repeating: Element(0), count: k * columns + 1)).vector[0..<k * columns].matrix(
        rows: k, columns: columns)
      transpose(b, into: transposed)
      packed.pack(transposed, transposed: false)
      #expect(product(0..<70) == whole, "\(Element.self), \(k), packed from the transpose")
      let (bias, residual) = (kept(normalNumbers(columns, stream: 3)).vector, kept(normalNumbers(70 * columns, stream: 4)))
      let expected = (0..<whole.count).map { whole[$0] + bias[$0 % columns] + residual[$0] }
      let result = kept([Float](repeating: .nan, count: 70 * columns)).vector.matrix(rows: 70, columns: columns)
      matmul(a, packed, into: result, bias: bias, residual: residual.vector.matrix(rows: 70, columns: columns))
      #expect(result.vector.array == expected, "\(Element.self), \(k), with bias and residual")
      result.vector.copy(from: residual.vector)
      matmul(a, packed, into: result, .accumulate, bias: bias)
      let accumulated = (0..<whole.count).map { whole[$0] + residual[$0] + bias[$0 % columns] }
      #expect(result.vector.array == accumulated, "\(Element.self), \(k), accumulated")
    }
    for columns in [48, 77] {
      expect(Float.self, columns: columns)
      if Precision.bf16.isSupported { expect(BFloat16.self, columns: columns) }
    }
  }
}
