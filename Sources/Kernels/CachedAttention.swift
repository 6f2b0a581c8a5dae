import Memory

/// Attention of one query over keys and values that were kept from earlier positions (paper B.1): all of `textKeys`, then
/// `positions` of the image, under one softmax.
///
/// - Parameters:
///   - query: `[width]`, heads side by side; so are keys and values.
///   - textKeys, textValues: `[text keys, width]`.
///   - imageKeys, imageValues: `[image positions, width]`.
///   - positions: rows of the image that the query may see.
///   - scores: room for a number for each key.
///   - output: `[width]`.
public func attend(
  _ query: Vector, heads: Int, textKeys: Matrix, textValues: Matrix, imageKeys: Matrix, imageValues: Matrix,
  positions: [Int], scores: Vector, into output: Vector
) {
  let size = query.count / heads
  let count = textKeys.rows + positions.count
  precondition(count <= scores.count, "\(count) keys, room for \(scores.count) scores")
  let scale = 1 / Float(size).squareRoot()
  for head in 0..<heads {
    let q = query.base + head * size
    func key(_ keys: Matrix, _ row: Int) -> UnsafeMutablePointer<Float> { keys.base + row * keys.stride + head * size }
    for row in 0..<textKeys.rows { scores[row] = scale * dot(q, key(textKeys, row), count: size) }
    for (index, row) in positions.enumerated() {
      scores[textKeys.rows + index] = scale * dot(q, key(imageKeys, row), count: size)
    }
    let maximum = largest(scores.base, count: count)
    let sum = exponentials(of: scores.base, minus: maximum, count: count)
    multiply(scores.base, by: 1 / sum, count: count)
    let target = output.base + head * size
    target.update(repeating: 0, count: size)
    for row in 0..<textValues.rows { addScaled(key(textValues, row), scores[row], to: target, count: size) }
    for (index, row) in positions.enumerated() {
      addScaled(key(imageValues, row), scores[textKeys.rows + index], to: target, count: size)
    }
  }
}

private func dot(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, count: Int) -> Float {
  var lanes = Lanes.zero
  var i = 0
  while i + 16 <= count {
    lanes = lanes.addingProduct(Lanes.load(a + i), Lanes.load(b + i))
    i += 16
  }
  var sum = lanes.total()
  while i < count {
    sum.addProduct(a[i], b[i])
    i += 1
  }
  return sum
}

private func addScaled(
  _ x: UnsafeMutablePointer<Float>, _ factor: Float, to y: UnsafeMutablePointer<Float>, count: Int
) {
  var i = 0
  while i + 16 <= count {
    Lanes.load(y + i).addingProduct(Lanes.load(x + i), Lanes(repeating: factor)).store(y + i)
    i += 16
  }
  while i < count {
    y[i].addProduct(x[i], factor)
    i += 1
  }
}
