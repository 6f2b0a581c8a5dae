import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// The map phi from bytes to (0, 1) that the logit-Laplace distribution needs: `x -> (1 - 2 eps) x / 255 + eps` with
/// eps = 0.1 (paper A.3), and its inverse.
public enum PixelMap {
  static let epsilon = 0.1
  /// phi of each byte.
  static let phi: [Float] = (0..<256).map { Float(point($0)) }
  /// logit(phi) of each byte: ln(phi / (1 - phi)).
  static let logit: [Float] = (0..<256).map { Float(log(point($0) / (1 - point($0)))) }
  /// ln(phi (1 - phi)) of each byte.
  static let logVariance: [Double] = (0..<256).map { log(point($0) * (1 - point($0))) }

  private static func point(_ byte: Int) -> Double { (1 - 2 * epsilon) * Double(byte) / 255 + epsilon }

  /// x = phi(pixels), in the same order.
  @specialized(where Element == Float)
  @specialized(where Element == BFloat16)
  public static func apply<Element: Scalar>(_ pixels: UnsafePointer<UInt8>, into x: VectorView<Element>) {
    let (x, count) = (x.base, x.count)
    withUnsafeTemporaryAllocation(of: Element.self, capacity: 256) { values in
      for byte in 0..<256 { values[byte] = Element(phi[byte]) }
      for i in 0..<count { x[i] = values[Int(pixels[i])] }
    }
  }

  /// `targets` = logit(phi(pixels)) by planes: pixels `[positions, 3]`, targets `[3, positions]`. Returns the part of the
  /// negative log-likelihood that does not depend on the model: the sum of ln 2 + ln(phi (1 - phi)).
  public static func logits(_ pixels: UnsafePointer<UInt8>, into targets: Matrix) -> Double {
    precondition(targets.rows == 3, "\(targets.rows) planes for red, green and blue")
    var histogram = [Int](repeating: 0, count: 256)
    let (positions, planes, stride) = (targets.columns, targets.base, targets.stride)
    logit.withUnsafeBufferPointer { logit in
      histogram.withUnsafeMutableBufferPointer { histogram in
        for position in 0..<positions {
          for channel in 0..<3 {
            let byte = Int(pixels[3 &* position &+ channel])
            planes[channel &* stride &+ position] = logit[byte]
            histogram[byte] &+= 1
          }
        }
      }
    }
    return (0..<256).reduce(0) { $0 + Double(histogram[$1]) * (log(2) + logVariance[$1]) }
  }

  /// Pixels from the location maps mu `[3, positions]`: phi^-1(sigmoid(mu)), clamped and rounded, into `[positions, 3]`.
  public static func reconstruct(_ mu: Matrix, into pixels: UnsafeMutablePointer<UInt8>) {
    precondition(mu.rows == 3, "\(mu.rows) planes for red, green and blue")
    let epsilon = Float(epsilon)
    let gain = 255 / (1 - 2 * epsilon)
    for channel in 0..<3 {
      let plane = mu.base + channel * mu.stride
      var position = 0
      while position < mu.columns {
        let count = min(16, mu.columns &- position)
        let x = 1 / (1 + exponential(-Lanes.load(plane + position, first: count, fill: 0)))
        // The comparison of `clamped` lets NaN through, which would trap as an integer.
        let level = ((x - epsilon) * gain).clamped(lowerBound: Lanes.zero, upperBound: Lanes(repeating: 255))
        let bytes = level.replacing(with: Lanes.zero, where: level .!= level).rounded(.toNearestOrEven)
        for lane in 0..<count { pixels[3 &* (position &+ lane) &+ channel] = UInt8(bytes[lane]) }
        position &+= 16
      }
    }
  }
}

/// The smallest ln b that the loss takes: b = 0.0025 is less than half the smallest distance of two bytes' logits, 0.0125, so a
/// smaller b tells no byte from another, while 1 / b would grow without limit on images of one color.
private let smallestLogB: Float = -6

/// The part of the logit-Laplace negative log-likelihood that depends on the model, `ln b + |t - mu| / b` summed in nats,
/// and its gradient (paper A.3).
///
/// `output` is `[6, positions]`: mu for red, green, blue, then ln b for the same; `targets` is logit(x), `[3, positions]`.
/// `gradient`, if wanted, is overwritten with `scale` times the gradient of `output`. ln b below -6 counts as -6, and has no
/// gradient that would lower it further.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func logitLaplace<Element: Scalar>(
  _ output: Matrix, _ targets: Matrix, scale: Float, gradient: MatrixView<Element>?
) -> Double {
  let span = KernelClock.begin(.logitLaplace)
  defer { KernelClock.end(span) }
  let positions = output.columns
  precondition(
    output.rows == 6 && targets.rows == 3 && targets.columns == positions
      && (gradient.map { $0.rows == 6 && $0.columns == positions } ?? true),
    "logit-Laplace of \(output.rows) x \(positions) against \(targets.rows) x \(targets.columns)")
  var nats = 0.0
  for channel in 0..<3 {
    let mu = output.base + channel * output.stride
    let logB = output.base + (channel + 3) * output.stride
    let target = targets.base + channel * targets.stride
    let dMu = gradient.map { $0.base + channel * $0.stride }
    let dLogB = gradient.map { $0.base + (channel + 3) * $0.stride }
    var start = 0
    // fp32 sums of at most 64 terms a lane go into the Double.
    while start < positions {
      let end = min(positions, start &+ 1024)
      var sum = Lanes.zero
      var i = start
      while i < end {
        let count = min(16, end &- i)
        let given = Lanes.load(logB + i, first: count, fill: 0)
        let isBelow = given .< smallestLogB
        let logScale = given.replacing(with: Lanes(repeating: smallestLogB), where: isBelow)
        let inverse = exponential(-logScale)
        let difference = Lanes.load(mu + i, first: count, fill: 0) - Lanes.load(target + i, first: count, fill: 0)
        let sign = Lanes.zero.replacing(with: Lanes(repeating: 1), where: difference .> 0).replacing(
          with: Lanes(repeating: -1), where: difference .< 0)
        let distance = difference * sign * inverse
        sum += logScale + distance
        if let dMu, let dLogB {
          Element.store(sign * inverse * scale, to: dMu + i, first: count)
          let slope = 1 - distance
          let lowers = isBelow .& (slope .> 0)
          Element.store(slope.replacing(with: Lanes.zero, where: lowers) * scale, to: dLogB + i, first: count)
        }
        i &+= 16
      }
      nats += Double(sum.sum())
      start = end
    }
  }
  return nats
}
