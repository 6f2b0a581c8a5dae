import Memory

/// Attention for drawing: one query a picture over keys and values that were kept from earlier positions (paper B.1). Pictures of
/// one caption share its text, so their scores with it are GEMMs.
public struct CachedAttention<Element: Scalar> {
  private let heads: Int
  private let textLength: Int
  /// Room for a caption's pictures, or for its text: scores [heads · pictures, text + image keys] or [text, text].
  private let scores: Vector
  private let weights: VectorView<Element>
  private let outputs: Matrix  // [most rows, width]
  private let inverseSums: Vector  // [heads · most rows]
  /// Keys of a picture: rows of scores are this far apart.
  private let keyCount: Int

  /// - Parameters:
  ///   - pictures: of one caption.
  ///   - imageKeys: that a query sees at most.
  public init(_ space: inout Space, width: Int, heads: Int, textLength: Int, pictures: Int, imageKeys: Int) {
    (self.heads, self.textLength) = (heads, textLength)
    keyCount = (textLength + imageKeys + 15) & ~15
    let count = max(heads * pictures * keyCount, textLength * textLength)
    scores = space.vector(count)
    weights = space.vector(count, of: Element.self)
    outputs = space.matrix(rows: max(pictures, textLength), columns: width)
    inverseSums = space.vector(heads * outputs.rows)
  }

  /// A caption's text over itself; each position sees those up to its own.
  ///
  /// - Parameters:
  ///   - queries, keys, values: `[text, width]`, heads side by side.
  ///   - result: `[text, width]`.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func text(
    _ queries: MatrixView<Element>, keys: MatrixView<Element>, values: MatrixView<Element>, into result: MatrixView<Element>
  ) {
    let scores = scores[0..<textLength * textLength].matrix(rows: textLength, columns: textLength)
    let weights = weights[0..<textLength * textLength].matrix(rows: textLength, columns: textLength)
    let scale = scale(queries)
    for head in 0..<heads {
      let columns = columns(head, queries)
      matmul(queries.columns(columns), keys.columns(columns).transposed, into: scores)
      for row in 0..<textLength {
        let seen = scores.row(row)[0..<row + 1]
        let highest = scale * largest(seen.base, count: seen.count)
        inverseSums[head * textLength + row] = 1 / exponentials(of: seen, scale: scale, minus: highest, into: weights.row(row))
      }
      matmul(weights, values.columns(columns), into: outputs.rows(0..<textLength).columns(columns))
    }
    for row in 0..<textLength { store(row, rows: textLength, into: result.row(row)) }
  }

  /// One position of the pictures of a caption.
  ///
  /// - Parameters:
  ///   - queries: `[pictures, width]`, heads side by side.
  ///   - textKeys, textValues: `[text, width]`.
  ///   - imageKeys, imageValues: `[pictures · kept, width]`.
  ///   - seen: which of a picture's kept rows its query sees.
  ///   - result: `[pictures, width]`.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func step(
    _ queries: MatrixView<Element>, textKeys: MatrixView<Element>, textValues: MatrixView<Element>,
    imageKeys: MatrixView<Element>, imageValues: MatrixView<Element>, seen: [Int], into result: MatrixView<Element>
  ) {
    let pictures = queries.rows
    let kept = imageKeys.rows / pictures
    let size = queries.columns / heads
    let scale = scale(queries)
    func part<Kind>(_ head: Int, _ all: VectorView<Kind>) -> MatrixView<Kind> {
      MatrixView(all.base + head * pictures * keyCount, rows: pictures, columns: textLength + seen.count, stride: keyCount)
    }
    for head in 0..<heads {
      let columns = columns(head, queries)
      matmul(
        queries.columns(columns), textKeys.columns(columns).transposed, into: part(head, scores).columns(0..<textLength))
    }
    forEachPart(of: pictures) { pictures in
      for picture in pictures {
        let (keys, values) = (
          imageKeys.rows(picture * kept..<(picture + 1) * kept), imageValues.rows(picture * kept..<(picture + 1) * kept)
        )
        for head in 0..<heads {
          let columns = head * size..<(head + 1) * size
          let (row, weights) = (part(head, scores).row(picture), part(head, weights).row(picture))
          let query = queries.row(picture)[columns]
          for (place, index) in seen.enumerated() { row[textLength + place] = dot(query, keys.row(index)[columns]) }
          let highest = scale * largest(row.base, count: row.count)
          inverseSums[head * queries.rows + picture] = 1 / exponentials(of: row, scale: scale, minus: highest, into: weights)
          let output = outputs.row(picture)[columns]
          output.fill(0)
          for (place, index) in seen.enumerated() {
            addScaled(values.row(index)[columns], weights[textLength + place].float, to: output)
          }
        }
      }
    }
    for head in 0..<heads where textLength > 0 {
      let columns = columns(head, queries)
      matmul(
        part(head, weights).columns(0..<textLength), textValues.columns(columns),
        into: outputs.rows(0..<pictures).columns(columns), .accumulate)
    }
    for picture in 0..<pictures { store(picture, rows: pictures, into: result.row(picture)) }
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
