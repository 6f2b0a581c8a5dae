import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// The Gumbel-softmax relaxation of one position and the KL divergence of its categorical distribution (paper 2.1, A.2).
///
/// With logits l (K values), noise g and temperature tau: `y = softmax((l + g) / tau)`, `q = softmax(l)`. Returns
/// `KL(q || uniform) = sum q ln q + ln K` in nats; `klGradient` takes `klWeight` times its gradient,
/// `q_k (ln q_k - sum q ln q)`. The noise is used up as scratch.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func relax<Element: Scalar>(
  _ logits: Vector, noise: Vector, temperature: Float, klWeight: Float, into y: VectorView<Element>,
  klGradient: VectorView<Element>
) -> Double {
  let span = KernelClock.begin(.relaxation)
  defer { KernelClock.end(span) }
  let count = logits.count
  precondition(
    y.count == count && klGradient.count == count && noise.count >= count,
    "\(count) logits with \(noise.count) noise into \(y.count), \(klGradient.count)")
  let (l, g, y, dl) = (logits.base, noise.base, y.base, klGradient.base)
  let inverse = 1 / temperature

  var highest = Lanes(repeating: -.infinity)
  var highestNoisy = Lanes(repeating: -.infinity)
  forEachRun(count) { i, n in
    let logit = Lanes.load(l + i, first: n, fill: -.infinity)
    highest = highest.larger(logit)
    highestNoisy = highestNoisy.larger((logit + Lanes.load(g + i, first: n, fill: 0)) * inverse)
  }
  let (top, topNoisy) = (highest.max(), highestNoisy.max())

  var sum = Lanes.zero  // of e^(l - top)
  var moment = Lanes.zero  // of e^(l - top) (l - top)
  var sumNoisy = Lanes.zero
  forEachRun(count) { i, n in
    // Lanes past the end: e^-87 and 0 - 87 e^-87, nothing in fp32 beside sums of at least 1.
    let logit = Lanes.load(l + i, first: n, fill: top - 87)
    let centered = logit - top
    let e = exponential(centered)
    sum += e
    moment = moment.addingProduct(e, centered)
    let noisy = exponential((logit + Lanes.load(g + i, first: n, fill: -.infinity)) * inverse - topNoisy)
    sumNoisy += noisy
    noisy.store(g + i, first: n)
  }
  let total = sum.sum()
  let mean = moment.sum() / total  // sum q (l - top)
  let scale = klWeight / total
  let scaleNoisy = 1 / sumNoisy.sum()

  forEachRun(count) { i, n in
    Element.store(Lanes.load(g + i, first: n, fill: 0) * scaleNoisy, to: y + i, first: n)
    let centered = Lanes.load(l + i, first: n, fill: 0) - top
    Element.store(exponential(centered) * scale * (centered - mean), to: dl + i, first: n)
  }
  return Double(mean) - log(Double(total)) + log(Double(count))
}

/// Adds the relaxation's gradient to `dLogits`: `y (dy - <y, dy>) / tau`.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func relaxBackward<Element: Scalar>(
  _ dy: Vector, _ y: VectorView<Element>, temperature: Float, addingTo dLogits: VectorView<Element>
) {
  let span = KernelClock.begin(.relaxation)
  defer { KernelClock.end(span) }
  let count = y.count
  precondition(dy.count == count && dLogits.count == count, "gradients of \(dy.count), \(dLogits.count) for \(count)")
  let (dy, y, dl) = (dy.base, y.base, dLogits.base)
  var dot = Lanes.zero
  forEachRun(count) { i, n in
    dot = dot.addingProduct(Element.load(y + i, first: n, fill: 0), Lanes.load(dy + i, first: n, fill: 0))
  }
  let mean = dot.sum()
  let inverse = 1 / temperature
  forEachRun(count) { i, n in
    let change = Element.load(y + i, first: n, fill: 0) * inverse * (Lanes.load(dy + i, first: n, fill: 0) - mean)
    Element.store(Element.load(dl + i, first: n, fill: 0) + change, to: dl + i, first: n)
  }
}

/// `KL(softmax(logits) || uniform)` in nats.
public func klFromUniform(_ logits: Vector) -> Double {
  let span = KernelClock.begin(.relaxation)
  defer { KernelClock.end(span) }
  let (l, count) = (logits.base, logits.count)
  var highest = Lanes(repeating: -.infinity)
  forEachRun(count) { i, n in highest = highest.larger(Lanes.load(l + i, first: n, fill: -.infinity)) }
  let top = highest.max()
  var sum = Lanes.zero
  var moment = Lanes.zero
  forEachRun(count) { i, n in
    let centered = Lanes.load(l + i, first: n, fill: top - 87) - top
    let e = exponential(centered)
    sum += e
    moment = moment.addingProduct(e, centered)
  }
  let total = Double(sum.sum())
  return Double(moment.sum()) / total - log(total) + log(Double(count))
}

/// The index of the largest value, the first of equals.
public func indexOfLargest(_ values: Vector) -> Int {
  let span = KernelClock.begin(.relaxation)
  defer { KernelClock.end(span) }
  let (base, count) = (values.base, values.count)
  var best = Lanes(repeating: -.infinity)
  var bestIndex = SIMD16<Int32>(repeating: 0)
  var index = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  forEachRun(count) { i, n in
    let value = Lanes.load(base + i, first: n, fill: -.infinity)
    let better = value .> best
    best.replace(with: value, where: better)
    bestIndex.replace(with: index, where: better)
    index &+= 16
  }
  let top = best.max()
  var first = Int32.max
  for lane in 0..<16 where best[lane] == top { first = min(first, bestIndex[lane]) }
  // No value equals a maximum that is not a number.
  return first == .max ? 0 : Int(first)
}
