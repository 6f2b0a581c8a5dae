import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// Scratch of attention over one head of one sample. Rows that a block of queries reads are copied into dense memory for its GEMMs;
/// dense keys and values are copied once for all blocks.
public struct AttentionScratch<Element: Scalar> {
  /// [queries, keys]: scores, then their exponentials; and the gradient of the softmax.
  fileprivate let scores, gradients: Vector
  /// The same as operands of the next GEMM.
  fileprivate let weights, dScores: VectorView<Element>
  fileprivate let queries, dOutputs: MatrixView<Element>  // [queries, size]
  fileprivate let keys, values: MatrixView<Element>  // [dense + image keys, size]
  fileprivate let outputs: Matrix  // [queries, size]
  fileprivate let dKeys, dValues: Matrix  // [dense + image keys, size], of one block
  fileprivate let dKeySums, dValueSums: Matrix  // [length, size], of all blocks

  public init(_ space: inout Space, patterns: [AttentionPattern], headSize: Int) {
    let queryCount = patterns.map(\.largestBlock.queries).max() ?? 0
    let keyCount = patterns.map(\.largestBlock.keys).max() ?? 0
    let length = patterns.map(\.length).max() ?? 0
    let most = patterns.map { $0.largestBlock.queries * $0.largestBlock.keys }.max() ?? 0
    func matrix<Kind>(_ rows: Int, _ type: Kind.Type) -> MatrixView<Kind> { space.matrix(rows: rows, columns: headSize, of: type) }
    scores = space.vector(most)
    gradients = space.vector(most)
    weights = space.vector(most, of: Element.self)
    dScores = space.vector(most, of: Element.self)
    queries = matrix(queryCount, Element.self)
    dOutputs = matrix(queryCount, Element.self)
    keys = matrix(keyCount, Element.self)
    values = matrix(keyCount, Element.self)
    outputs = matrix(queryCount, Float.self)
    dKeys = matrix(keyCount, Float.self)
    dValues = matrix(keyCount, Float.self)
    dKeySums = matrix(length, Float.self)
    dValueSums = matrix(length, Float.self)
  }
}

/// One sample's queries, keys and values for one head, as windows of the GEMM that made them: each [length, size].
private struct Head<Element: BitwiseCopyable> {
  let q, k, v: MatrixView<Element>

  init(_ qkv: MatrixView<Element>, head: Int, heads: Int, rows: Range<Int>) {
    let size = qkv.columns / (3 * heads)
    let rows = qkv.rows(rows)
    q = rows.columns(head * size..<(head + 1) * size)
    k = rows.columns((heads + head) * size..<(heads + head + 1) * size)
    v = rows.columns((2 * heads + head) * size..<(2 * heads + head + 1) * size)
  }
}

extension MatrixView {
  /// The rows of `run`, which counts from row `offset`, as they lie.
  fileprivate func rows(_ run: AttentionPattern.Run, after offset: Int) -> MatrixView {
    MatrixView(base + (offset + run.start) * stride, rows: run.count, columns: columns, stride: stride * run.stride)
  }

  /// Copies the rows of `source` into the first rows of this matrix, which are returned.
  @discardableResult
  fileprivate func gather(_ source: MatrixView, at first: Int = 0) -> MatrixView {
    let bytes = columns * MemoryLayout<Element>.stride
    for row in 0..<source.rows {
      let from = UnsafeRawPointer(source.base + row * source.stride)
      let to = UnsafeMutableRawPointer(base + (first + row) * stride)
      // Rows are a cache line or two: less than a call takes.
      var i = 0
      while i + 64 <= bytes {
        to.storeBytes(of: from.loadUnaligned(fromByteOffset: i, as: SIMD8<UInt64>.self), toByteOffset: i, as: SIMD8<UInt64>.self)
        i += 64
      }
      if i < bytes { (to + i).copyMemory(from: from + i, byteCount: bytes - i) }
    }
    return rows(first..<first + source.rows)
  }
}

/// One block of attention: its queries, and its keys: some of the dense part, then a run of the image, under one softmax.
private struct Piece {
  /// Positions of the queries in the sample: row `i` is `queries.start + i · queries.stride`.
  let queries: AttentionPattern.Run
  let denseKeys: Int
  let imageKeys: AttentionPattern.Run?
  /// For image queries, `[queries, image keys]`.
  let mask: [Float]
  /// Without image keys: whether only keys up to the query itself are visible.
  let isCausal: Bool

  var keyCount: Int { denseKeys + (imageKeys?.count ?? 0) }

  /// Adds the mask to a row of scores, and returns how many keys from the first on are visible.
  func apply(_ row: Int, to scores: Vector) -> Int {
    guard let imageKeys else { return isCausal ? queries.start + row + 1 : denseKeys }
    mask.withUnsafeBufferPointer { mask in
      let mine = UnsafeMutablePointer(mutating: mask.baseAddress!) + row * imageKeys.count
      add(Vector(mine, count: imageKeys.count), to: scores[denseKeys..<scores.count])
    }
    return scores.count
  }
}

extension AttentionPattern {
  /// Calls `body` for every block: dense queries in runs, then image queries.
  private func forEachPiece(_ body: (Piece) -> Void) {
    for first in stride(from: 0, to: denseLength, by: Self.denseBlock) {
      let end = min(first + Self.denseBlock, denseLength)
      body(
        Piece(
          queries: Run(start: first, stride: 1, count: end - first), denseKeys: isCausal ? end : denseLength, imageKeys: nil,
          mask: [], isCausal: isCausal))
    }
    for block in blocks {
      let queries = Run(start: denseLength + block.queries.start, stride: block.queries.stride, count: block.queries.count)
      body(Piece(queries: queries, denseKeys: denseLength, imageKeys: block.keys, mask: block.mask, isCausal: true))
    }
  }

  /// Attention of every sample and head (paper B.1).
  ///
  /// - Parameters:
  ///   - qkv: `[samples · length, 3 · width]`: queries, keys, values side by side, heads within each.
  ///   - output: `[samples · length, width]`.
  ///   - logSums: `[heads · samples · length]`: log of each query's softmax denominator, kept for the backward pass.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func forward<Element: Scalar>(
    _ qkv: MatrixView<Element>, heads: Int, into output: MatrixView<Element>, logSums: Vector,
    scratch: AttentionScratch<Element>
  ) {
    let span = KernelClock.begin(.attention)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let samples = qkv.rows / length
    let size = output.columns / heads
    let scale = 1 / Float(size).squareRoot()
    for sample in 0..<samples {
      let rows = sample * length..<(sample + 1) * length
      for headIndex in 0..<heads {
        let head = Head(qkv, head: headIndex, heads: heads, rows: rows)
        let out = output.rows(rows).columns(headIndex * size..<(headIndex + 1) * size)
        let sums = logSums.matrix(rows: samples * heads, columns: length).row(sample * heads + headIndex)
        scratch.keys.gather(head.k.rows(0..<denseLength))
        scratch.values.gather(head.v.rows(0..<denseLength))
        forEachPiece { piece in
          let scores = scratch.scores[0..<piece.queries.count * piece.keyCount]
            .matrix(rows: piece.queries.count, columns: piece.keyCount)
          let weights = scratch.weights[0..<scores.rows * scores.columns].matrix(rows: scores.rows, columns: scores.columns)
          if let keys = piece.imageKeys {
            scratch.keys.gather(head.k.rows(keys, after: denseLength), at: denseLength)
            scratch.values.gather(head.v.rows(keys, after: denseLength), at: denseLength)
          }
          let queries = scratch.queries.gather(head.q.rows(piece.queries, after: 0))
          matmul(queries, scratch.keys.rows(0..<piece.keyCount), transposing: .second, into: scores)
          let outputs = scratch.outputs.rows(0..<scores.rows)
          for row in 0..<scores.rows {
            let values = scores.row(row)
            let count = piece.apply(row, to: values)
            let highest = scale * largest(values.base, count: count)
            let sum = exponentials(of: values[0..<count], scale: scale, minus: highest, into: weights.row(row))
            sums[piece.queries.start + row * piece.queries.stride] = highest + logf(sum)
            scratch.gradients[row] = 1 / sum
          }
          matmul(weights, scratch.values.rows(0..<piece.keyCount), into: outputs)
          let target = out.rows(piece.queries, after: 0)
          for row in 0..<scores.rows { scaled(outputs.row(row), by: scratch.gradients[row], into: target.row(row)) }
        }
      }
    }
  }

  /// Backward of `forward`: overwrites `dQKV`.
  ///
  /// - Parameters:
  ///   - dOutput: gradient of the output, `[samples · length, width]`.
  ///   - output: what `forward` gave.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public func backward<Element: Scalar>(
    _ dOutput: MatrixView<Element>, _ qkv: MatrixView<Element>, output: MatrixView<Element>, logSums: Vector, heads: Int,
    into dQKV: MatrixView<Element>, scratch: AttentionScratch<Element>
  ) {
    let span = KernelClock.begin(.attention)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let samples = qkv.rows / length
    let size = output.columns / heads
    let scale = 1 / Float(size).squareRoot()
    for sample in 0..<samples {
      let rows = sample * length..<(sample + 1) * length
      for headIndex in 0..<heads {
        let columns = headIndex * size..<(headIndex + 1) * size
        let head = Head(qkv, head: headIndex, heads: heads, rows: rows)
        let gradient = Head(dQKV, head: headIndex, heads: heads, rows: rows)
        let (out, dOut) = (output.rows(rows).columns(columns), dOutput.rows(rows).columns(columns))
        let sums = logSums.matrix(rows: samples * heads, columns: length).row(sample * heads + headIndex)
        scratch.keys.gather(head.k.rows(0..<denseLength))
        scratch.values.gather(head.v.rows(0..<denseLength))
        scratch.dKeySums.vector.fill(0)
        scratch.dValueSums.vector.fill(0)
        forEachPiece { piece in
          let (rowCount, keyCount) = (piece.queries.count, piece.keyCount)
          func block<Kind>(_ vector: VectorView<Kind>) -> MatrixView<Kind> {
            vector[0..<rowCount * keyCount].matrix(rows: rowCount, columns: keyCount)
          }
          let (scores, gradients) = (block(scratch.scores), block(scratch.gradients))
          let (weights, dScores) = (block(scratch.weights), block(scratch.dScores))
          if let keys = piece.imageKeys {
            scratch.keys.gather(head.k.rows(keys, after: denseLength), at: denseLength)
            scratch.values.gather(head.v.rows(keys, after: denseLength), at: denseLength)
          }
          let (keys, values) = (scratch.keys.rows(0..<keyCount), scratch.values.rows(0..<keyCount))
          let queries = scratch.queries.gather(head.q.rows(piece.queries, after: 0))
          let target = out.rows(piece.queries, after: 0)
          let dTarget = scratch.dOutputs.gather(dOut.rows(piece.queries, after: 0))
          matmul(queries, keys, transposing: .second, into: scores)
          matmul(dTarget, values, transposing: .second, into: gradients)
          for row in 0..<rowCount {
            let count = piece.apply(row, to: scores.row(row))
            softmaxBackward(
              scores.row(row), logSum: sums[piece.queries.start + row * piece.queries.stride], scale: scale, count: count,
              gradients.row(row), delta: dot(dTarget.row(row), target.row(row)), weights: weights.row(row),
              into: dScores.row(row))
          }
          matmul(weights, dTarget, transposing: .first, into: scratch.dValues.rows(0..<keyCount))
          matmul(dScores, queries, transposing: .first, into: scratch.dKeys.rows(0..<keyCount))
          matmul(dScores, keys, into: scratch.outputs.rows(0..<rowCount))
          let dQueries = gradient.q.rows(piece.queries, after: 0)
          for row in 0..<rowCount { scaled(scratch.outputs.row(row), by: 1, into: dQueries.row(row)) }
          for (part, sum) in [(scratch.dKeys, scratch.dKeySums), (scratch.dValues, scratch.dValueSums)] {
            add(part.rows(0..<piece.denseKeys).vector, to: sum.rows(0..<piece.denseKeys).vector)
            guard let imageKeys = piece.imageKeys else { continue }
            let target = sum.rows(imageKeys, after: denseLength)
            for row in 0..<imageKeys.count { add(part.row(denseLength + row), to: target.row(row)) }
          }
        }
        for row in 0..<length {
          scaled(scratch.dKeySums.row(row), by: 1, into: gradient.k.row(row))
          scaled(scratch.dValueSums.row(row), by: 1, into: gradient.v.row(row))
        }
      }
    }
  }
}

/// The softmax of a row again, and the gradient of its scores: with `w = e^(scale · score - logSum)`, `weights = w` and
/// `result = scale · w · (gradient - delta)`. Keys from `count` on are masked: 0.
private func softmaxBackward<Element: Scalar>(
  _ scores: Vector, logSum: Float, scale: Float, count: Int, _ gradients: Vector, delta: Float,
  weights: VectorView<Element>, into result: VectorView<Element>
) {
  var i = 0
  while i + 16 <= count {
    let w = exponential(Lanes.load(scores.base + i) * scale - logSum)
    Element.store(w, to: weights.base + i)
    Element.store((Lanes.load(gradients.base + i) - delta) * w * scale, to: result.base + i)
    i += 16
  }
  while i < count {
    let w = exponential(scores[i] * scale - logSum)
    weights[i] = Element(w)
    result[i] = Element((gradients[i] - delta) * w * scale)
    i += 1
  }
  while i < scores.count {
    weights[i] = Element(0)
    result[i] = Element(0)
    i += 1
  }
}
