import Foundation
import Memory
import TestSupport
import Testing

@testable import Kernels

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

/// Masked scores lie below the range. What is computed with the results must not meet denormal numbers, which are slow.
@Test func exponentialIsZeroWhereItIsNoNormalNumber() {
  for x in [-87.4, -88, -90, -103, -104, -1e10, -Float.greatestFiniteMagnitude, -.infinity] as [Float] {
    #expect(exponential(SIMD16(repeating: x)) == SIMD16(repeating: 0))
    #expect(exponential(x) == 0)
  }
  #expect(exponential(SIMD16<Float>(repeating: -87.3))[0].isNormal && exponential(Float(-87.3)).isNormal)
  #expect(exponential(SIMD16<Float>(repeating: .nan))[0].isNaN && exponential(Float.nan).isNaN)
}

/// Sixteen at a time like one by one; NaN stays NaN.
@Test func numbersAreRoundedToHalves() {
  let patterns: [UInt32] = [
    0, 0x8000_0000, 0x3F80_0000, 0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0x7F7F_FFFF, 0x7F80_0000, 0xFF80_0000, 0x7F80_0001,
    0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FC0_0000, 0x0000_8001, 1, 0xC2F6_E979,
  ]
  let values = Buffer(patterns.map { Float(bitPattern: $0) })
  let halves = Buffer<BFloat16>(count: patterns.count)
  round(values.vector, into: halves.vector)
  for (index, pattern) in patterns.enumerated() {
    #expect(halves[index] == BFloat16(values[index]))
    #expect(halves[index].float.isNaN == values[index].isNaN, "\(String(pattern, radix: 16))")
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

@Test func sineAndCosineOfAWholeTurn() {
  for step in stride(from: 0, through: 1008, by: 16) {
    let turns = SIMD16<Float>((0..<16).map { Float(step + $0) / 1024 })
    let (sine, cosine) = sineAndCosine(turns: turns)
    for i in 0..<16 {
      let angle = 2 * Double.pi * Double(turns[i])
      #expect(abs(Double(sine[i]) - sin(angle)) < 1e-7 && abs(Double(cosine[i]) - cos(angle)) < 1e-7, "\(turns[i]) turns")
    }
  }
  #expect(sineAndCosine(turns: SIMD16(repeating: 1)).cosine == SIMD16(repeating: 1))
}

@Test func normalNumbersHaveTheirMoments() {
  let values = normalNumbers(100_000, stream: 2, deviation: 2).map(Double.init)
  let mean = values.reduce(0, +) / 100_000
  let variance = values.reduce(0) { $0 + $1 * $1 } / 100_000
  // Standard errors: 2 / sqrt(1e5) = 0.0063 and 4 sqrt(2 / 1e5) = 0.018; five of each.
  #expect(abs(mean) < 0.032)
  #expect(abs(variance - 4) < 0.09)
  // The two numbers of a pair, which have one radius, are not correlated: 16 apart.
  let products = (0..<99_936).filter { $0 % 32 < 16 }.map { values[$0] * values[$0 + 16] }
  let covariance = products.reduce(0, +) / Double(products.count)
  #expect(abs(covariance) < 0.09)  // standard error: 4 / sqrt(5e4) = 0.018
  // A shorter run is the start of a longer one.
  #expect(normalNumbers(37, stream: 2) == Array(normalNumbers(200, stream: 2)[..<37]))
  #expect(normalNumbers(64, stream: 2) != normalNumbers(64, stream: 3))
}
