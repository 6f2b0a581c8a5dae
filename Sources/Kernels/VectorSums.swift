import Memory

/// `y = kept · y + (1 - kept) · x`.
public func interpolate(_ y: Vector, towards x: Vector, keeping kept: Float) {
  precondition(x.count == y.count, "interpolation of \(x.count) and \(y.count) floats")
  let rest = 1 - kept
  forEachRun(x.count) { i, count in
    let value = Lanes.load(y.base + i, first: count, fill: 0) * kept + Lanes.load(x.base + i, first: count, fill: 0) * rest
    value.store(y.base + i, first: count)
  }
}

/// Sum of squares in Double.
public func sumOfSquares(_ vector: Vector) -> Double {
  var low = SIMD8<Double>.zero
  var high = SIMD8<Double>.zero
  forEachRun(vector.count) { i, count in
    let v = Lanes.load(vector.base + i, first: count, fill: 0)
    let a = SIMD8<Double>(v.lowHalf)
    let b = SIMD8<Double>(v.highHalf)
    low += a * a
    high += b * b
  }
  return (low + high).sum()
}

/// Overwrites `result` with the sum of `vectors`, added in their order; accumulating, with `result` before them.
public func sum(_ vectors: [Vector], into result: Vector, _ destination: Destination) {
  precondition(vectors.allSatisfy { $0.count == result.count }, "a sum of vectors of other lengths than \(result.count)")
  // Pieces that fit a core's first cache, so that the running sum stays there.
  let piece = 2048
  for first in stride(from: 0, to: result.count, by: piece) {
    let length = min(piece, result.count - first)
    let target = result.base + first
    for (index, vector) in vectors.enumerated() {
      let source = vector.base + first
      if index == 0, destination == .overwrite {
        target.update(from: source, count: length)
        continue
      }
      forEachRun(length) { i, count in
        let value = Lanes.load(target + i, first: count, fill: 0) + Lanes.load(source + i, first: count, fill: 0)
        value.store(target + i, first: count)
      }
    }
  }
  if vectors.isEmpty, destination == .overwrite { result.fill(0) }
}

/// The sum of vectors in bf16, added in their order in fp32 and rounded once, to the result's format.
public func sum<Result: Scalar>(_ vectors: [VectorView<BFloat16>], into result: VectorView<Result>) {
  precondition(vectors.allSatisfy { $0.count == result.count }, "a sum of vectors of other lengths than \(result.count)")
  forEachRun(result.count) { i, count in
    var total = Lanes.zero
    for vector in vectors { total += BFloat16.load(vector.base + i, first: count, fill: 0) }
    Result.store(total, to: result.base + i, first: count)
  }
}
