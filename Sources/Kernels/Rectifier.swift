import Memory

/// y = max(0, x). y may be x.
public func rectify(_ x: Vector, into y: Vector) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(x.count == y.count, "rectifying \(x.count) floats into \(y.count)")
  let (x, y, count) = (x.base, y.base, x.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    let value = Lanes.load(x + i)
    value.replacing(with: zero, where: value .< zero).store(y + i)
    i &+= 16
  }
  while i < count {
    y[i] = x[i] < 0 ? 0 : x[i]
    i &+= 1
  }
}

/// dy = 0 where the rectified value `y` is 0: the gradient before rectification, in place of the one after it.
public func rectifyBackward(_ dy: Vector, rectified y: Vector) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(dy.count == y.count, "a gradient of \(dy.count) floats for \(y.count)")
  let (dy, y, count) = (dy.base, y.base, y.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    zero.replacing(with: Lanes.load(dy + i), where: Lanes.load(y + i) .> zero).store(dy + i)
    i &+= 16
  }
  while i < count {
    if !(y[i] > 0) { dy[i] = 0 }
    i &+= 1
  }
}

/// dx += dy where the rectified value `y` is positive: the branch's gradient joins the identity path's.
public func rectifyBackwardAdd(_ dy: Vector, rectified y: Vector, into dx: Vector) {
  let span = KernelClock.begin(.activations)
  defer { KernelClock.end(span) }
  precondition(dy.count == y.count && dx.count == y.count, "gradients of \(dy.count) and \(dx.count) floats for \(y.count)")
  let (dy, y, dx, count) = (dy.base, y.base, dx.base, y.count)
  let zero = Lanes.zero
  var i = 0
  while i &+ 16 <= count {
    (Lanes.load(dx + i) + zero.replacing(with: Lanes.load(dy + i), where: Lanes.load(y + i) .> zero)).store(dx + i)
    i &+= 16
  }
  while i < count {
    if y[i] > 0 { dx[i] += dy[i] }
    i &+= 1
  }
}
