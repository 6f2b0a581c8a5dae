import Random
import Testing

@testable import Generation
@testable import Images

private func features(_ count: Int, _ size: Int, stream: UInt64, shift: Float = 0) -> FeatureSet {
  var random = RandomStream(seed: 1, stream: stream)
  let values = (0..<count).flatMap { _ in
    let row = (0..<size).map { _ in random.uniform() - 0.5 + shift }
    let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return row.map { $0 / length }
  }
  return FeatureSet(values, size: size)
}

/// Along one axis each, covariances commute, and the distance is |m1 - m2|² + (s1 - s2)² by hand.
@Test func frechetDistanceOfSimpleSets() {
  // Means 0.5 and 1, standard deviations 0.5 · √2 and 0, along the first axis alone.
  let a = FeatureSet([0, 0, 1, 0], size: 2)
  let b = FeatureSet([1, 0, 1, 0], size: 2)
  #expect(abs(a.frechetDistance(to: b) - (0.25 + 0.5)) < 1e-9)
  let c = features(40, 8, stream: 1)
  #expect(c.frechetDistance(to: c) < 1e-6)
  let far = features(40, 8, stream: 2, shift: 0.5)
  #expect(abs(c.frechetDistance(to: far) - far.frechetDistance(to: c)) < 1e-6 && c.frechetDistance(to: far) > 0.3)
}

/// Around 0 for sets of one distribution, whatever their size; and an image is never compared with the one that it belongs to.
@Test func kernelDistanceHasNoBias() {
  let few = (UInt64(0)..<200).map { features(8, 6, stream: 10 + $0).kernelDistance(to: features(8, 6, stream: 1000 + $0)) }
  let mean = Estimate(meanOf: few)
  #expect(mean.low < 0 && mean.high > 0 && mean.high < 0.1, "\(mean)")
  let pairs = (UInt64(0)..<200).map { number in
    let a = features(8, 6, stream: 10 + number)
    return a.kernelDistance(to: a)
  }
  #expect(pairs.allSatisfy { abs($0) < 1e-4 })
  #expect(features(30, 6, stream: 3).kernelDistance(to: features(30, 6, stream: 4, shift: 0.5)) > 0.2)
}

@Test func sharesHaveWilsonsInterval() {
  // By hand: 8 of 10 gives 0.4902 to 0.9433.
  let share = Estimate(8, of: 10)
  #expect(abs(share.value - 0.8) < 1e-12 && abs(share.low - 0.490162) < 1e-5 && abs(share.high - 0.943318) < 1e-5)
  #expect(Estimate(0, of: 10).low == 0 && Estimate(0, of: 10).high > 0.25 && Estimate(10, of: 10).high > 0.999999)
}

/// 95 of 100 intervals contain the true value, by chance a few more or fewer.
@Test func intervalsContainTheTrueValue() {
  var hits = (mean: 0, ratio: 0, bootstrap: 0)
  for trial in 0..<400 {
    var random = RandomStream(seed: 2, stream: UInt64(trial))
    let values = (0..<60).map { _ in Double(random.uniform()) }
    let weights = values.map { _ in 1 + Double(random.uniform()) }
    func contains(_ estimate: Estimate) -> Int { estimate.low <= 0.5 && 0.5 <= estimate.high ? 1 : 0 }
    let mean = values.reduce(0, +) / 60
    hits.mean += contains(Estimate(meanOf: values))
    hits.ratio += contains(Estimate(ratioOf: zip(values, weights).map(*), to: weights))
    hits.bootstrap += contains(
      Estimate(mean, samples: 60, seed: UInt64(trial)) { $0.reduce(0) { $0 + values[$1] } / Double($0.count) })
  }
  for count in [hits.mean, hits.ratio, hits.bootstrap] { #expect((360...396).contains(count), "\(hits)") }
}

@Test func captionsAreLookedForAmongDifferentOnes() {
  let captions = ["a", "b", "a", "c", "d"]
  let retrieval = Retrieval(captions, count: 3, seed: 1)
  for (image, candidates) in retrieval.candidates.enumerated() {
    #expect(candidates[0] == image && candidates.count == 3 && Set(candidates.map { captions[$0] }).count == 3)
  }
  #expect(Retrieval(captions, count: 100, seed: 1).candidates.allSatisfy { $0.count == 4 })
  // Images 0 to 3 lie on their captions, 4 on that of 3.
  func axis(_ index: Int) -> [Float] { (0..<5).map { $0 == index ? 1 : 0 } }
  let texts = FeatureSet([0, 1, 0, 3, 4].flatMap(axis), size: 5)
  let images = FeatureSet([0, 1, 0, 3, 3].flatMap(axis), size: 5)
  #expect(Retrieval(captions, count: 100, seed: 1).firsts(images, captions: texts) == 4)
}

@Test func similarityOfSimpleImages() {
  let gray = Image(width: 20, height: 15, (100, 100, 100))
  #expect(gray.structuralSimilarity(to: gray) == 1)
  // Without contrast only the means differ: (2 m1 m2 + c1) / (m1² + m2² + c1).
  let bright = Image(width: 20, height: 15, (150, 150, 150))
  let c1 = 6.5025
  #expect(abs(gray.structuralSimilarity(to: bright) - (2 * 100 * 150 + c1) / (100 * 100 + 150 * 150 + c1)) < 1e-9)
  #expect(abs(gray.peakSignalToNoise(to: bright) - 20 * 0.7075702) < 1e-5)
}
