import Memory

/// y = max(0, x). y may be x.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func rectify<Element: Scalar>(_ x: Vector, into y: VectorView<Element>) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(x.count == y.count, "rectifying \(x.count) floats into \(y.count)")
  let (x, y, count) = (x.base, y.base, x.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    let value = Lanes.load(x + i)
    Element.store(value.replacing(with: zero, where: value .< zero), to: y + i)
    i &+= 16
  }
  while i < count {
    y[i] = Element(x[i] < 0 ? 0 : x[i])
    i &+= 1
  }
}

/// dy = 0 where the rectified value `y` is 0: the gradient before rectification, in place of the one after it.
@specialized(where Gradient == Float, Element == Float)
@specialized(where Gradient == Float, Element == BFloat16)
@specialized(where Gradient == BFloat16, Element == BFloat16)
public func rectifyBackward<Gradient: Scalar, Element: Scalar>(_ dy: VectorView<Gradient>, rectified y: VectorView<Element>) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(dy.count == y.count, "a gradient of \(dy.count) floats for \(y.count)")
  let (dy, y, count) = (dy.base, y.base, y.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    Gradient.store(zero.replacing(with: Gradient.load(dy + i), where: Element.load(y + i) .> zero), to: dy + i)
    i &+= 16
  }
  while i < count {
    if !(y[i].float > 0) { dy[i] = Gradient(0) }
    i &+= 1
  }
}

/// dx += dy where the rectified value `y` is positive: the branch's gradient joins the identity path's.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func rectifyBackwardAdd<Element: Scalar>(_ dy: VectorView<Element>, rectified y: VectorView<Element>, into dx: Vector) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(dy.count == y.count && dx.count == y.count, "gradients of \(dy.count) and \(dx.count) floats for \(y.count)")
  let (dy, y, dx, count) = (dy.base, y.base, dx.base, y.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    (Lanes.load(dx + i) + zero.replacing(with: Element.load(dy + i), where: Element.load(y + i) .> zero)).store(dx + i)
    i &+= 16
  }
  while i < count {
    if y[i].float > 0 { dx[i] += dy[i].float }
    i &+= 1
  }
}
