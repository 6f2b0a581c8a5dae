import Kernels
import Memory
import Testing

/// Expects equal counts and |actual - expected| <= absolute + relative · |expected| everywhere; reports the worst place.
package func expectClose(
  _ actual: [Float], _ expected: [Float], absolute: Float = 0, relative: Float = 0, _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record("\(comment): \(actual.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  var worst: (excess: Float, index: Int)?
  for index in actual.indices {
    let error = abs(actual[index] - expected[index])
    let excess = error - (absolute + relative * abs(expected[index]))
    // A NaN compares false with everything, so it is asked for by name.
    if excess > 0 || error.isNaN, excess > worst?.excess ?? -1 || error.isNaN { worst = (excess, index) }
  }
  if let worst {
    Issue.record(
      "\(comment): element \(worst.index) is \(actual[worst.index]), expected \(expected[worst.index])",
      sourceLocation: sourceLocation)
  }
}

/// The same normal numbers at every call.
package func normalNumbers(_ count: Int, seed: UInt64 = 1, stream: UInt64, deviation: Float = 1) -> [Float] {
  let values = Buffer<Float>(count: count)
  fillNormal(values.vector, seed: seed, stream: stream, std: deviation)
  return values.array
}

/// A buffer that lives for ever: views of it stay valid, where a local buffer would be freed after its last mention.
package func kept<Element: BitwiseCopyable>(_ values: [Element]) -> Buffer<Element> {
  let buffer = Buffer<Element>(count: values.count)
  buffer.vector.copy(from: values)
  _ = Unmanaged.passRetained(buffer)
  return buffer
}

/// The same, zeroed.
package func kept(count: Int) -> Buffer<Float> { kept([Float](repeating: 0, count: count)) }
