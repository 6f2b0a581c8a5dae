import Memory

/// The numbers of a dropout mask (Srivastava et al. 2014): Philox's in one stream, from a place of their own on.
public struct DropoutMask {
  let seed, stream, place: UInt64

  /// - Parameters:
  ///   - seed, stream: name the random numbers, as in `Philox.block`.
  ///   - place: which of the stream's masks; each has 2^34 values.
  public init(seed: UInt64, stream: UInt64, place: UInt32) {
    (self.seed, self.stream, self.place) = (seed, stream, UInt64(place) << 32)
  }
}

/// `y = x · mask / (1 - probability)`, plus `residual` if there is one; the mask is 0 with `probability`, else 1. All dense, columns a
/// multiple of 16; y may be x or `residual`. The mask depends on its numbers alone, so that a backward pass can use it again.
public func dropout(_ x: Matrix, _ mask: DropoutMask, probability: Float, residual: Matrix? = nil, into y: Matrix) {
  let span = KernelClock.begin(.dropout)
  defer { KernelClock.end(span) }
  let count = x.rows * x.columns
  precondition(count % 16 == 0 && y.rows * y.columns == count && probability < 1, "dropout of \(x)")
  let (threshold, factor) = (Lanes(repeating: probability), Lanes(repeating: 1 / (1 - probability)))
  let added = residual?.base
  for first in stride(from: 0, to: count, by: 64) {
    let words = philoxBlocks(seed: mask.seed, stream: mask.stream, position: mask.place + UInt64(first / 4))
    func group(_ number: Int, _ words: Words) {
      let i = first + 16 * number
      if i >= count { return }
      let kept = (Lanes.load(x.base + i) * factor).replacing(with: 0, where: uniform(words) .< threshold)
      (added.map { kept + Lanes.load($0 + i) } ?? kept).store(y.base + i)
    }
    group(0, words.0)
    group(1, words.1)
    group(2, words.2)
    group(3, words.3)
  }
}
