import Memory

/// Channels-last feature maps, `[samples, height, width, channels]`.
public struct FeatureMaps<Element: Scalar> {
  public let values: VectorView<Element>
  public let samples: Int
  public let height: Int
  public let width: Int
  public let channels: Int

  public init(_ values: VectorView<Element>, samples: Int, height: Int, width: Int, channels: Int) {
    precondition(
      values.count == samples * height * width * channels,
      "\(values.count) numbers are not \(samples) images of \(height) x \(width) x \(channels)")
    self.values = values
    (self.samples, self.height, self.width, self.channels) = (samples, height, width, channels)
  }

  fileprivate func isHalf(of other: FeatureMaps<some Scalar>) -> Bool {
    samples == other.samples && 2 * height == other.height && 2 * width == other.width && channels == other.channels
  }
}

/// y = the largest of each 2 x 2 square of x. x has twice the height and width of y.
public func maxPool(_ x: FeatureMaps<Float>, into y: FeatureMaps<Float>) {
  let span = KernelClock.begin(.resampling)
  defer { KernelClock.end(span) }
  forEachSquare(y, x) { y, a, b, c, d, channels in
    var i = 0
    while i &+ 16 <= channels {
      let top = Lanes.load(a + i).larger(Lanes.load(b + i))
      let bottom = Lanes.load(c + i).larger(Lanes.load(d + i))
      top.larger(bottom).store(y + i)
      i &+= 16
    }
    while i < channels {
      y[i] = max(max(a[i], b[i]), max(c[i], d[i]))
      i &+= 1
    }
  }
}

/// x becomes dx: the place of each square's first maximum (in reading order) gets the gradient dy, the others 0.
public func maxPoolBackward(_ dy: FeatureMaps<Float>, _ x: FeatureMaps<Float>) {
  let span = KernelClock.begin(.resampling)
  defer { KernelClock.end(span) }
  forEachSquare(dy, x) { dy, a, b, c, d, channels in
    let zero = Lanes.zero
    var i = 0
    while i &+ 16 <= channels {
      let gradient = Lanes.load(dy + i)
      let (va, vb, vc, vd) = (Lanes.load(a + i), Lanes.load(b + i), Lanes.load(c + i), Lanes.load(d + i))
      let top = va.larger(vb)
      let bottom = vc.larger(vd)
      let inTop = top .>= bottom
      let isA = inTop .& (va .>= vb)
      let isC = .!inTop .& (vc .>= vd)
      zero.replacing(with: gradient, where: isA).store(a + i)
      zero.replacing(with: gradient, where: inTop .& .!isA).store(b + i)
      zero.replacing(with: gradient, where: isC).store(c + i)
      zero.replacing(with: gradient, where: .!inTop .& .!isC).store(d + i)
      i &+= 16
    }
    while i < channels {
      let inTop = max(a[i], b[i]) >= max(c[i], d[i])
      let isA = inTop && a[i] >= b[i]
      let isC = !inTop && c[i] >= d[i]
      a[i] = isA ? dy[i] : 0
      b[i] = inTop && !isA ? dy[i] : 0
      c[i] = isC ? dy[i] : 0
      d[i] = !inTop && !isC ? dy[i] : 0
      i &+= 1
    }
  }
}

/// y = x with each pixel repeated in a 2 x 2 square.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func upsample<Element: Scalar>(_ x: FeatureMaps<Element>, into y: FeatureMaps<Element>) {
  let span = KernelClock.begin(.resampling)
  defer { KernelClock.end(span) }
  forEachSquare(x, y) { x, a, b, c, d, channels in
    a.update(from: x, count: channels)
    b.update(from: x, count: channels)
    c.update(from: x, count: channels)
    d.update(from: x, count: channels)
  }
}

/// dx = the sum of dy over each 2 x 2 square, overwritten.
@specialized(where Gradient == Float, Result == Float)
@specialized(where Gradient == Float, Result == BFloat16)
@specialized(where Gradient == BFloat16, Result == BFloat16)
public func upsampleBackward<Gradient: Scalar, Result: Scalar>(_ dy: FeatureMaps<Gradient>, into dx: FeatureMaps<Result>) {
  let span = KernelClock.begin(.resampling)
  defer { KernelClock.end(span) }
  forEachSquare(dx, dy) { dx, a, b, c, d, channels in
    var i = 0
    while i &+ 16 <= channels {
      Result.store((Gradient.load(a + i) + Gradient.load(b + i)) + (Gradient.load(c + i) + Gradient.load(d + i)), to: dx + i)
      i &+= 16
    }
    while i < channels {
      dx[i] = Result((a[i].float + b[i].float) + (c[i].float + d[i].float))
      i &+= 1
    }
  }
}

/// Calls `body` with each pixel of `small` and its four pixels of `large`, in reading order.
@inline(__always) private func forEachSquare<Small: Scalar, Large: Scalar>(
  _ small: FeatureMaps<Small>, _ large: FeatureMaps<Large>,
  _ body: (
    UnsafeMutablePointer<Small>, UnsafeMutablePointer<Large>, UnsafeMutablePointer<Large>, UnsafeMutablePointer<Large>,
    UnsafeMutablePointer<Large>, Int
  ) -> Void
) {
  precondition(small.isHalf(of: large), "\(small) is not half of \(large)")
  let channels = small.channels
  let row = large.width &* channels
  var pixel = small.values.base
  var top = large.values.base
  // Samples follow each other without a gap, so that the rows of all samples are one run of rows.
  for _ in 0..<small.samples * small.height {
    for _ in 0..<small.width {
      let bottom = top + row
      body(pixel, top, top + channels, bottom, bottom + channels, channels)
      pixel += channels
      top += 2 &* channels
    }
    top += row
  }
}
