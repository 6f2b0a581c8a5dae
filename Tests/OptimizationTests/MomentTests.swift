import CLanes
import Foundation
import Kernels
import Layers
import Memory
import TestSupport
import Testing

@testable import Optimization

/// The formats of 16 bits that moments are kept in.
@Suite struct MomentTests {
  private struct Format: CustomTestStringConvertible, Sendable {
    var name: String
    /// Bits of the significand; bf16 has none of the paper's.
    var significand: Int
    var isSigned: Bool
    var load: @Sendable (SIMD16<UInt16>) -> SIMD16<Float>
    var store: @Sendable (SIMD16<Float>, SIMD16<UInt32>) -> SIMD16<UInt16>
    var testDescription: String { name }

    func value(_ bits: UInt16) -> Float { load(SIMD16(repeating: bits))[0] }

    /// From the definition: six bits of exponent with a bias of 60, and numbers below the smallest normal one.
    func definition(_ bits: UInt16) -> Double {
      let magnitude = Int(isSigned ? bits & 0x7FFF : bits)
      let (exponent, fraction) = (magnitude >> significand, magnitude & (1 << significand - 1))
      let part = Double(fraction) / Double(1 << significand)
      let size = exponent == 0 ? part * exp2(-59) : (1 + part) * exp2(Double(exponent - 60))
      return isSigned && bits >> 15 == 1 ? -size : size
    }
  }

  private static let formats = [
    Format(
      name: "1-6-9", significand: 9, isSigned: true, load: { lanes_of_1_6_9($0) }, store: { lanes_to_1_6_9($0, $1) }),
    Format(
      name: "0-6-10", significand: 10, isSigned: false, load: { lanes_of_0_6_10($0) }, store: { lanes_to_0_6_10($0, $1) }),
  ]
  private static let bf16 = Format(
    name: "bf16", significand: 7, isSigned: true, load: { lanes_widened($0) }, store: { lanes_randomly_rounded($0, $1) })

  @Test(arguments: formats) private func everyNumberHasItsValueAndComesBack(_ format: Format) {
    for bits in UInt16.min...UInt16.max {
      let value = format.value(bits)
      #expect(Double(value) == format.definition(bits), "\(bits)")
      for random: UInt32 in [0, 0xFFFF] {
        #expect(format.store(SIMD16(repeating: value), SIMD16(repeating: random))[3] == bits, "\(bits), random \(random)")
      }
    }
  }

  @Test(arguments: formats) private func whatIsTooLargeBecomesTheLargest(_ format: Format) {
    let most = format.value(format.isSigned ? 0x7FFF : 0xFFFF)
    #expect(most < 16 && most > 15.9)
    for value in [most, most.nextUp, 16, 1e9, .greatestFiniteMagnitude, .infinity] {
      for random: UInt32 in [0, 0xFFFF] {
        #expect(format.value(format.store(SIMD16(repeating: value), SIMD16(repeating: random))[0]) == most)
        guard format.isSigned else { continue }
        #expect(format.value(format.store(SIMD16(repeating: -value), SIMD16(repeating: random))[0]) == -most)
      }
    }
  }

  /// Over all random numbers, the mean is the number itself, up to what the 16 - 13 or 16 - 14 bits that are not used make of it.
  @Test(arguments: formats + [bf16]) private func roundingIsTrueOnAverage(_ format: Format) {
    for value: Float in [1.2345, 0.9999, 3.1e-7, 7.77e-18, 3e-19, 5e-21, -0.4321, -2e-18] where value > 0 || format.isSigned {
      var sum = 0.0
      var results = Set<UInt16>()
      for random in stride(from: UInt32(0), to: 0x10000, by: 1) {
        let bits = format.store(SIMD16(repeating: value), SIMD16(repeating: random))[7]
        sum += Double(format.value(bits))
        results.insert(bits)
      }
      let neighbors = results.sorted().map { Double(format.value($0)) }
      #expect(
        neighbors.count <= 2 && (neighbors.first!...max(neighbors.first!, neighbors.last!)).contains(Double(value)) || value < 0)
      let spacing = abs(neighbors.last! - neighbors.first!)
      #expect(abs(sum / 65536 - Double(value)) <= spacing / 4096 + abs(Double(value)) * 1e-7, "\(value): \(sum / 65536)")
    }
  }

  @Test func hashesAreUniformAndIndependentOfTheirStart() {
    var counts = [Int](repeating: 0, count: 256)
    for first in stride(from: UInt32(0), to: 65536, by: 16) {
      let hashes = lanes_hashes(first, 12345)
      for lane in 0..<16 {
        #expect(hashes[lane] == lanes_hashes(first + UInt32(lane), 12345)[0])
        counts[Int(hashes[lane] & 0xFF)] += 1
        counts[Int(hashes[lane] >> 24)] += 1
      }
    }
    // 512 in each on average, with a standard deviation of 23.
    #expect(counts.allSatisfy { abs($0 - 512) < 6 * 23 })
    #expect(lanes_hashes(0, 1) != lanes_hashes(0, 2))
  }

  /// Trains a matrix of 40 x 13 for some updates and gives its weights, whichever rows are updated at a time.
  private func trained(_ moments: MomentFormat, rows: [Range<Int>], chunk: Int, steps: Int, beta2: Double = 0.96) -> [Float] {
    var table = ParameterTable()
    let block = table.addBlock("block")
    let matrix = table.add("w", [40, 13], .matrix, .constant(0), to: block)
    var config = AdamWConfig()
    (config.moments, config.beta2, config.clipNorm) = (moments, beta2, 0)
    let optimizer = AdamW(config)
    let weights = kept((0..<matrix.count).map { Float(sin(Double($0))) })
    let arrays = optimizer.state.map { ($0, Buffer<UInt8>(count: $0.elementType.size * matrix.count)) }
    for step in 0..<steps {
      let gradient = kept((0..<matrix.count).map { Float(0.01 * cos(Double($0 * 3 + step)) + 0.003) })
      for rows in rows {
        let range = rows.lowerBound * 13..<rows.upperBound * 13
        let piece = ParameterPiece(
          matrix, rows: rows, weights: weights.vector[range], computeCopy: nil, gradient: gradient.vector[range],
          arrays: Dictionary(
            uniqueKeysWithValues: arrays.map {
              ($0.0, UnsafeMutableRawPointer($0.1.base) + range.lowerBound * $0.0.elementType.size)
            }))
        piece.forEachChunk(of: chunk) { optimizer.update($0, UpdateContext(number: step + 1, lr: 1e-3, gradientNorm: 1)) }
      }
    }
    return weights.array
  }

  @Test(arguments: MomentFormat.allCases) func bitsDoNotDependOnWhoUpdatesWhat(_ moments: MomentFormat) {
    let whole = trained(moments, rows: [0..<40], chunk: 1000, steps: 5)
    #expect(whole == trained(moments, rows: [0..<1, 1..<17, 17..<40], chunk: 40, steps: 5))
    #expect(whole == trained(moments, rows: [0..<40], chunk: 13, steps: 5))
  }

  /// With beta2 0.999, a moment that is rounded to the nearest would stop where a thousandth is less than half of its last digit.
  @Test(arguments: [MomentFormat.bf16, .published], [0.96, 0.999]) func weightsGoWhereThoseOfFP32Go(
    _ moments: MomentFormat, beta2: Double
  ) {
    let start = trained(.fp32, rows: [0..<40], chunk: 1000, steps: 0)
    let exact = trained(.fp32, rows: [0..<40], chunk: 1000, steps: 1000, beta2: beta2)
    let rounded = trained(moments, rows: [0..<40], chunk: 1000, steps: 1000, beta2: beta2)
    func length(_ values: some Sequence<Float>) -> Double { values.reduce(0) { $0 + Double($1 * $1) }.squareRoot() }
    let error = length(zip(rounded, exact).map { $0 - $1 }) / length(zip(exact, start).map { $0 - $1 })
    #expect(error < 0.01, "the way that the weights went differs by \(error) of its length")
    #expect(rounded != exact)
  }

  /// An EMA in bf16 of weights that change, whichever values are added at a time.
  private func average(_ format: EMAFormat, updates: Int, chunk: Int = 1000, rounds: Bool = false) -> [Float] {
    var table = ParameterTable()
    let matrix = table.add("w", [40, 13], .matrix, .constant(0), to: table.addBlock("block"))
    let ema = ExponentialMovingAverage(every: 2, decay: 0.99, format: format)
    let start = (0..<matrix.count).map { Float(sin(Double($0))) }
    let (weights, gradient) = (kept(start), kept(count: matrix.count))
    let (exact, rounded) = (kept(start), Buffer<BFloat16>(count: matrix.count))
    Kernels.round(exact.vector, into: rounded.vector)
    let base = format == .fp32 ? UnsafeMutableRawPointer(exact.base) : UnsafeMutableRawPointer(rounded.base)
    let piece = ParameterPiece(
      matrix, rows: 0..<40, weights: weights.vector, computeCopy: nil, gradient: gradient.vector, arrays: [ema.state[0]: base])
    for number in 1...updates {
      for i in 0..<matrix.count { weights.base[i] = start[i] + Float(number) * 1e-4 }
      if rounds {
        ema.update(piece, after: number - 1..<number)
      } else {
        piece.forEachChunk(of: chunk) { ema.update($0, number: number) }
      }
    }
    return format == .fp32 ? exact.array : rounded.vector.array.map(\.float)
  }

  /// Rounded to the nearest, it would stay where a hundredth of what is missing is less than half of its last digit.
  @Test func anEMAInBF16FollowsThatInFP32() {
    let (exact, rounded) = (average(.fp32, updates: 1000), average(.bf16, updates: 1000))
    let differences = zip(rounded, exact).map { Double($0 - $1) }
    let mean = differences.reduce(0, +) / Double(differences.count)
    // It went up by 0.09. A rounding of a number near 1 has a deviation of 0.0016, and the sum of those that are not forgotten yet seven
    // times as much; the mean is that of 520.
    #expect(abs(mean) < 0.002, "\(mean)")
    let deviation = (differences.reduce(0) { $0 + $1 * $1 } / Double(differences.count)).squareRoot()
    #expect(deviation > 0.002 && deviation < 0.02, "\(deviation)")
  }

  @Test func bitsOfAnEMADoNotDependOnWhoAddsWhat() {
    let whole = average(.bf16, updates: 7)
    #expect(whole == average(.bf16, updates: 7, chunk: 13) && whole == average(.bf16, updates: 7, rounds: true))
  }
}
