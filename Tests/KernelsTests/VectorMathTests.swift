import Foundation
@testable import Kernels
import Testing

@Test func exponentialIsWithinTwoUlp() {
  var x: Float = -87
  while x < 88 {
    let lanes = SIMD16<Float>((0..<16).map { x + Float($0) * 0.0137 })
    let result = exponential(lanes)
    for i in 0..<16 {
      let exact = exp(Double(lanes[i]))
      #expect(abs(Double(result[i]) - exact) <= 2 * Double(Float(exact).ulp), "e^\(lanes[i])")
    }
    x += 0.219
  }
}

@Test func logarithmIsWithinTwoUlp() {
  var x: Float = 1e-30
  while x < 1e30 {
    let lanes = SIMD16<Float>((0..<16).map { x * (1 + Float($0) * 0.0717) })
    let result = logarithm(lanes)
    for i in 0..<16 {
      let exact = log(Double(lanes[i]))
      // Near 1 the result is near 0, where one ulp of the argument is the unit.
      #expect(abs(Double(result[i]) - exact) <= max(2 * Double(Float(exact).ulp), 1e-7), "ln \(lanes[i])")
    }
    x *= 1.037
  }
}
