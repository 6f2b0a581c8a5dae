import Datasets
import Random

extension Dataset {
  /// Different training samples chosen at random, by number, with their samples: the same for the same seed.
  func chosenSamples(_ count: Int, seed: UInt64, purpose: UInt64) throws -> [(number: Int, sample: Sample)] {
    let all = self.count(.training)
    let order = Shuffle(count: all, seed: seed, stream: purpose)
    var chosen: [(Int, Sample)] = []
    var places: Set<String> = []
    for index in 0..<all where chosen.count < count {
      let number = order[index]
      let sample = try sample(number, .training)
      // A repeated sample has several numbers.
      if places.insert(sample.location).inserted { chosen.append((number, sample)) }
    }
    return chosen
  }
}
