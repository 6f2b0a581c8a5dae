import Memory

#if canImport(Glibc)
import Glibc
#endif

/// Storage that attention needs while it computes one block: scores and their gradient.
public struct AttentionScratch {
  let scores: UnsafeMutablePointer<Float>
  let gradients: UnsafeMutablePointer<Float>

  public init(_ space: inout Space, patterns: [AttentionPattern]) {
    let size = patterns.map { $0.largestBlock.queries * $0.largestBlock.keys }.max() ?? 0
    scores = space.take(Float.self, count: size)
    gradients = space.take(Float.self, count: size)
  }
}

/// One sample's queries, keys and values for one head, as windows of the product that made them.
private struct Head {
  let q, k, v: Matrix
  init(_ qkv: Matrix, head: Int, heads: Int, first: Int, length: Int) {
    let size = qkv.columns / (3 * heads)
    let rows = qkv.rows(first..<first + length)
    q = rows.columns(head * size..<(head + 1) * size)
    k = rows.columns((heads + head) * size..<(heads + head + 1) * size)
    v = rows.columns((2 * heads + head) * size..<(2 * heads + head + 1) * size)
  }
}

extension Matrix {
  /// Every `step`-th row, `count` of them, from `start`.
  fileprivate func rows(_ run: AttentionPattern.Run, after offset: Int) -> Matrix {
    Matrix(base + (offset + run.start) * stride, rows: run.count, columns: columns, stride: stride * run.stride)
  }
}

/// One block of attention: its queries, and keys in at most two runs (text, then image) with one joint softmax.
private struct Piece {
  let queries: Range<Int>?
  let imageQueries: AttentionPattern.Run?
  let textKeys: Int
  let imageKeys: AttentionPattern.Run?
  let mask: [Float]

  func rows(of matrix: Matrix, textLength: Int) -> Matrix {
    if let imageQueries { return matrix.rows(imageQueries, after: textLength) }
    return matrix.rows(queries!)
  }

  var queryCount: Int { imageQueries?.count ?? queries!.count }
  var keyCount: Int { textKeys + (imageKeys?.count ?? 0) }
}

extension AttentionPattern {
  /// Calls `body` for every block: text queries in runs, then image queries.
  private func forEachPiece(_ body: (Piece) -> Void) {
    for first in stride(from: 0, to: textLength, by: Self.textBlock) {
      let end = min(first + Self.textBlock, textLength)
      body(Piece(queries: first..<end, imageQueries: nil, textKeys: end, imageKeys: nil, mask: []))
    }
    for block in blocks {
      body(Piece(
        queries: nil, imageQueries: block.queries, textKeys: textLength, imageKeys: block.keys, mask: block.mask))
    }
  }

  /// Scaled scores of a block with the mask added: `[queries, text keys + image keys]`.
  private func scores(_ piece: Piece, _ head: Head, into scores: Matrix) {
    let scale = 1 / Float(head.q.columns).squareRoot()
    let q = piece.rows(of: head.q, textLength: textLength)
    multiply(q, head.k.rows(0..<piece.textKeys).transposed, into: scores.columns(0..<piece.textKeys), scale: scale)
    if let keys = piece.imageKeys {
      multiply(
        q, head.k.rows(keys, after: textLength).transposed, into: scores.columns(piece.textKeys..<scores.columns),
        scale: scale)
      for row in 0..<scores.rows {
        piece.mask.withUnsafeBufferPointer { mask in
          add(
            Vector(UnsafeMutablePointer(mutating: mask.baseAddress!) + row * keys.count, count: keys.count),
            to: scores.row(row)[piece.textKeys..<scores.columns])
        }
      }
    } else {
      for row in 0..<scores.rows {
        for key in (piece.queries!.lowerBound + row + 1)..<max(piece.queries!.lowerBound + row + 1, piece.textKeys) {
          scores[row, key] = Self.forbidden
        }
      }
    }
  }

  /// Attention of every sample and head (paper B.1).
  ///
  /// - Parameters:
  ///   - qkv: `[samples · length, 3 · width]`: queries, keys, values side by side, heads within each.
  ///   - output: `[samples · length, width]`.
  ///   - logSums: `[heads · samples · length]`: log of each query's softmax denominator, kept for the backward pass.
  public func forward(_ qkv: Matrix, heads: Int, into output: Matrix, logSums: Vector, scratch: AttentionScratch) {
    let samples = qkv.rows / length
    let size = output.columns / heads
    for sample in 0..<samples {
      for headIndex in 0..<heads {
        let head = Head(qkv, head: headIndex, heads: heads, first: sample * length, length: length)
        let out = output.rows(sample * length..<(sample + 1) * length).columns(headIndex * size..<(headIndex + 1) * size)
        let sums = logSums.matrix(rows: samples * heads, columns: length).row(sample * heads + headIndex)
          .matrix(rows: length, columns: 1)
        forEachPiece { piece in
          let weights = Matrix(scratch.scores, rows: piece.queryCount, columns: piece.keyCount)
          scores(piece, head, into: weights)
          let pieceSums = piece.rows(of: sums, textLength: textLength)
          for row in 0..<weights.rows {
            let values = weights.base + row * weights.stride
            let maximum = largest(values, count: weights.columns)
            let sum = exponentials(of: values, minus: maximum, count: weights.columns)
            multiply(values, by: 1 / sum, count: weights.columns)
            pieceSums[row, 0] = maximum + logf(sum)
          }
          let target = piece.rows(of: out, textLength: textLength)
          multiply(weights.columns(0..<piece.textKeys), head.v.rows(0..<piece.textKeys), into: target)
          if let keys = piece.imageKeys {
            multiply(
              weights.columns(piece.textKeys..<weights.columns), head.v.rows(keys, after: textLength), into: target,
              .accumulate)
          }
        }
      }
    }
  }

  /// Backward of `forward`: overwrites `dQKV`.
  ///
  /// - Parameters:
  ///   - dOutput: gradient of the output, `[samples · length, width]`.
  ///   - output: what `forward` gave.
  public func backward(
    _ dOutput: Matrix, _ qkv: Matrix, output: Matrix, logSums: Vector, heads: Int, into dQKV: Matrix,
    scratch: AttentionScratch
  ) {
    let samples = qkv.rows / length
    let size = output.columns / heads
    let scale = 1 / Float(size).squareRoot()
    dQKV.vector.fill(0)
    for sample in 0..<samples {
      let rows = sample * length..<(sample + 1) * length
      for headIndex in 0..<heads {
        let columns = headIndex * size..<(headIndex + 1) * size
        let head = Head(qkv, head: headIndex, heads: heads, first: rows.lowerBound, length: length)
        let gradient = Head(dQKV, head: headIndex, heads: heads, first: rows.lowerBound, length: length)
        let out = output.rows(rows).columns(columns)
        let dOut = dOutput.rows(rows).columns(columns)
        let sums = logSums.matrix(rows: samples * heads, columns: length).row(sample * heads + headIndex)
          .matrix(rows: length, columns: 1)
        forEachPiece { piece in
          let weights = Matrix(scratch.scores, rows: piece.queryCount, columns: piece.keyCount)
          let dWeights = Matrix(scratch.gradients, rows: piece.queryCount, columns: piece.keyCount)
          scores(piece, head, into: weights)
          let pieceSums = piece.rows(of: sums, textLength: textLength)
          for row in 0..<weights.rows {
            _ = exponentials(
              of: weights.base + row * weights.stride, minus: pieceSums[row, 0], count: weights.columns)
          }
          let dTarget = piece.rows(of: dOut, textLength: textLength)
          let target = piece.rows(of: out, textLength: textLength)
          let textColumns = 0..<piece.textKeys
          let imageColumns = piece.textKeys..<piece.keyCount
          let textRows = 0..<piece.textKeys
          multiply(dTarget, head.v.rows(textRows).transposed, into: dWeights.columns(textColumns))
          multiply(
            weights.columns(textColumns).transposed, dTarget, into: gradient.v.rows(textRows), .accumulate)
          if let keys = piece.imageKeys {
            multiply(dTarget, head.v.rows(keys, after: textLength).transposed, into: dWeights.columns(imageColumns))
            multiply(
              weights.columns(imageColumns).transposed, dTarget, into: gradient.v.rows(keys, after: textLength),
              .accumulate)
          }
          for row in 0..<weights.rows {
            softmaxBackward(weights.row(row), dWeights.row(row), dot(dTarget.row(row), target.row(row)), scale: scale)
          }
          let q = piece.rows(of: head.q, textLength: textLength)
          let dQ = piece.rows(of: gradient.q, textLength: textLength)
          multiply(dWeights.columns(textColumns), head.k.rows(textRows), into: dQ)
          multiply(dWeights.columns(textColumns).transposed, q, into: gradient.k.rows(textRows), .accumulate)
          if let keys = piece.imageKeys {
            multiply(dWeights.columns(imageColumns), head.k.rows(keys, after: textLength), into: dQ, .accumulate)
            multiply(
              dWeights.columns(imageColumns).transposed, q, into: gradient.k.rows(keys, after: textLength), .accumulate)
          }
        }
      }
    }
  }
}

/// Overwrites `dWeights` with `scale · weights · (dWeights - delta)`, the gradient of the scores before scaling.
private func softmaxBackward(_ weights: Vector, _ dWeights: Vector, _ delta: Float, scale: Float) {
  var i = 0
  while i + 16 <= weights.count {
    let change = (Lanes.load(dWeights.base + i) - delta) * Lanes.load(weights.base + i) * scale
    change.store(dWeights.base + i)
    i += 16
  }
  while i < weights.count {
    dWeights[i] = (dWeights[i] - delta) * weights[i] * scale
    i += 1
  }
}

func dot(_ a: Vector, _ b: Vector) -> Float {
  var sum = Lanes.zero
  var i = 0
  while i + 16 <= a.count {
    sum = sum.addingProduct(Lanes.load(a.base + i), Lanes.load(b.base + i))
    i += 16
  }
  var result = sum.total()
  while i < a.count {
    result += a[i] * b[i]
    i += 1
  }
  return result
}
