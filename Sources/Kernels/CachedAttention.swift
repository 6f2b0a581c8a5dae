import Memory

/// Attention for cached steps: one query per image over the KV cache of earlier positions (paper B.1). Images of
/// one caption share its text, so their scores with it are GEMMs.
public struct CachedAttention<Element: Scalar> {
  private let heads: Int
  private let textLength: Int
  /// Scores of a caption's images, or of its text: [heads · images, text + image keys] or [heads · text, text].
  private let scores: Vector
  private let weights: VectorView<Element>
  private let outputs: Matrix  // [most rows, width]
  private let inverseSums: Vector  // [heads · most rows]
  /// Keys of an image: rows of scores are this far apart.
  private let keyCount: Int

  /// - Parameters:
  ///   - images: of one caption.
  ///   - imageKeys: largest number that is visible to a query.
  public init(_ space: inout Space, width: Int, heads: Int, textLength: Int, images: Int, imageKeys: Int) {
    (self.heads, self.textLength) = (heads, textLength)
    keyCount = (textLength + imageKeys + 15) & ~15
    let count = heads * max(images * keyCount, textLength * textLength)
    scores = space.vector(count)
    weights = space.vector(count, of: Element.self)
    outputs = space.matrix(rows: max(images, textLength), columns: width)
    inverseSums = space.vector(heads * outputs.rows)
  }

  /// A caption's text over itself; to each position those up to its own are visible.
  ///
  /// - Parameters:
  ///   - queries: `[text, width]`, heads side by side.
  ///   - keys, values: of each head, `[head size, text]` and `[text, head size]`.
  ///   - result: `[text, width]`.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func text(
    _ queries: MatrixView<Element>, keys: [PackedMatrix<Element>], values: [PackedMatrix<Element>],
    into result: MatrixView<Element>
  ) {
    let scale = scale(queries)
    func square<Kind>(_ head: Int, _ all: VectorView<Kind>) -> MatrixView<Kind> {
      MatrixView(all.base + head * textLength * textLength, rows: textLength, columns: textLength)
    }
    forEachPart(of: heads) { heads in
      for head in heads {
        let columns = columns(head, queries)
        let (scores, weights) = (square(head, scores), square(head, weights))
        matmul(queries.columns(columns), keys[head], into: scores)
        for row in 0..<textLength {
          let visible = scores.row(row)[0..<row + 1]
          let highest = scale * largest(visible.base, count: visible.count)
          inverseSums[head * textLength + row] = 1 / exponentials(of: visible, scale: scale, minus: highest, into: weights.row(row))
        }
        matmul(weights, values[head], into: outputs.rows(0..<textLength).columns(columns))
      }
    }
    for row in 0..<textLength { store(row, rows: textLength, into: result.row(row)) }
  }

  /// One position of the images of a caption.
  ///
  /// - Parameters:
  ///   - queries: `[images, width]`, heads side by side.
  ///   - textKeys, textValues: of each head, `[head size, text]` and `[text, head size]`.
  ///   - imageKeys, imageValues: `[images · window, width]`.
  ///   - visible: the rows of an image's window that are visible to its query.
  ///   - result: `[images, width]`.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func step(
    _ queries: MatrixView<Element>, textKeys: [PackedMatrix<Element>], textValues: [PackedMatrix<Element>],
    imageKeys: MatrixView<Element>, imageValues: MatrixView<Element>, visible: [Int], into result: MatrixView<Element>
  ) {
    let images = queries.rows
    let window = imageKeys.rows / images
    let size = queries.columns / heads
    let scale = scale(queries)
    func part<Kind>(_ head: Int, _ all: VectorView<Kind>) -> MatrixView<Kind> {
      MatrixView(all.base + head * images * keyCount, rows: images, columns: textLength + visible.count, stride: keyCount)
    }
    for head in 0..<heads {
      let columns = columns(head, queries)
      matmul(queries.columns(columns), textKeys[head], into: part(head, scores).columns(0..<textLength))
    }
    forEachPart(of: images) { images in
      for image in images {
        let (keys, values) = (
          imageKeys.rows(image * window..<(image + 1) * window), imageValues.rows(image * window..<(image + 1) * window)
        )
        for head in 0..<heads {
          let columns = head * size..<(head + 1) * size
          let (row, weights) = (part(head, scores).row(image), part(head, weights).row(image))
          let query = queries.row(image)[columns]
          for (place, index) in visible.enumerated() { row[textLength + place] = dot(query, keys.row(index)[columns]) }
          let highest = scale * largest(row.base, count: row.count)
          inverseSums[head * queries.rows + image] = 1 / exponentials(of: row, scale: scale, minus: highest, into: weights)
          let output = outputs.row(image)[columns]
          output.fill(0)
          for (place, index) in visible.enumerated() {
            addScaled(values.row(index)[columns], weights[textLength + place].float, to: output)
          }
        }
      }
    }
    for head in 0..<heads where textLength > 0 {
      let columns = columns(head, queries)
      matmul(
        part(head, weights).columns(0..<textLength), textValues[head], into: outputs.rows(0..<images).columns(columns),
        .accumulate)
    }
    for image in 0..<images { store(image, rows: images, into: result.row(image)) }
  }

  private func scale(_ queries: MatrixView<Element>) -> Float { 1 / Float(queries.columns / heads).squareRoot() }

  private func columns(_ head: Int, _ queries: MatrixView<Element>) -> Range<Int> {
    let size = queries.columns / heads
    return head * size..<(head + 1) * size
  }

  /// The outputs of a row, divided by their softmax's sums.
  private func store(_ row: Int, rows: Int, into result: VectorView<Element>) {
    let size = result.count / heads
    for head in 0..<heads {
      let columns = head * size..<(head + 1) * size
      scaled(outputs.row(row)[columns], by: inverseSums[head * rows + row], into: result[columns])
    }
  }
}

/// `y += factor · x`.
private func addScaled<Element: Scalar>(_ x: VectorView<Element>, _ factor: Float, to y: Vector) {
  var i = 0
  while i + 16 <= x.count {
    Lanes.load(y.base + i).addingProduct(Element.load(x.base + i), Lanes(repeating: factor)).store(y.base + i)
    i += 16
  }
  while i < x.count {
    y[i].addProduct(x[i].float, factor)
    i += 1
  }
}
