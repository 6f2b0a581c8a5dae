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
