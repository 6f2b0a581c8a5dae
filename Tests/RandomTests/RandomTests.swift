import Random
import Testing

/// Known answers of the Random123 distribution, philox4x32-10.
@Test func philoxKnownAnswers() {
  #expect(Philox.block(seed: 0, stream: 0, position: 0) == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
  #expect(
    Philox.block(seed: .max, stream: .max, position: .max) == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
}

@Test(arguments: [1, 2, 3, 5, 64, 1000, 4097]) func shuffleIsAPermutation(count: Int) {
  let shuffle = Shuffle(count: count, seed: 7, stream: 3)
  #expect(Set((0..<count).map { shuffle[$0] }) == Set(0..<count))
}

@Test func shufflesOfDifferentEpochsDiffer() {
  let first = Shuffle(count: 1000, seed: 7, stream: 0)
  let second = Shuffle(count: 1000, seed: 7, stream: 1)
  let equal = (0..<1000).count { first[$0] == second[$0] }
  // Two random permutations agree in one place on average.
  #expect(equal < 10)
}

@Test func normalNumbersHaveTheirMoments() {
  var random = RandomStream(seed: 1, 2, 3)
  var values = [Float](repeating: 0, count: 100_000)
  values.withUnsafeMutableBufferPointer { random.fillNormal($0, standardDeviation: 2) }
  let mean = values.reduce(0) { $0 + Double($1) } / 100_000
  let variance = values.reduce(0) { $0 + Double($1) * Double($1) } / 100_000
  // Standard errors: 2 / sqrt(1e5) = 0.0063 and 4 sqrt(2 / 1e5) = 0.018; five of each.
  #expect(abs(mean) < 0.032)
  #expect(abs(variance - 4) < 0.09)
}
