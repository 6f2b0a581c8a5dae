extension SIMD16<Float> {
  /// The first `count` floats at `pointer`; the other lanes hold `fill`.
  @inline(__always) static func load(_ pointer: UnsafePointer<Float>, first count: Int, fill: Float) -> Self {
    if count >= 16 { return load(pointer) }
    var lanes = Self(repeating: fill)
    for lane in 0..<count { lanes[lane] = pointer[lane] }
    return lanes
  }

  /// Stores the first `count` lanes.
  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, first count: Int) {
    if count >= 16 { return store(pointer) }
    for lane in 0..<count { pointer[lane] = self[lane] }
  }
}

extension Scalar {
  /// The first `count` numbers at `pointer`; the other lanes hold `fill`.
  @inline(__always) static func load(_ pointer: UnsafePointer<Self>, first count: Int, fill: Float) -> Lanes {
    if count >= 16 { return load(pointer) }
    var lanes = Lanes(repeating: fill)
    for lane in 0..<count { lanes[lane] = pointer[lane].float }
    return lanes
  }

  /// Stores the first `count` lanes.
  @inline(__always) static func store(_ lanes: Lanes, to pointer: UnsafeMutablePointer<Self>, first count: Int) {
    if count >= 16 { return store(lanes, to: pointer) }
    for lane in 0..<count { pointer[lane] = Self(lanes[lane]) }
  }
}

/// Calls `body(start, count)` for runs of 16, and once for what is left.
@inline(__always) func forEachRun(_ count: Int, _ body: (Int, Int) -> Void) {
  var i = 0
  while i &+ 16 <= count {
    body(i, 16)
    i &+= 16
  }
  if i < count { body(i, count &- i) }
}
