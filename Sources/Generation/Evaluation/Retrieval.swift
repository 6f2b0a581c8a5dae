import Random

/// Whether an image's own caption ranks first among others, by the cosine of their features.
struct Retrieval {
  /// For each image the captions that it is compared with, its own first; no two have the same text.
  let candidates: [[Int]]

  /// - Parameters:
  ///   - captions: one for each image.
  ///   - count: captions for each image, its own included; fewer where there are not so many different ones.
  init(_ captions: [String], count: Int, seed: UInt64) {
    let distinct = Dictionary(zip(captions, captions.indices), uniquingKeysWith: { first, _ in first }).values.sorted()
    candidates = captions.indices.map { image in
      var random = RandomStream(seed: seed, 0x5EEC, UInt64(image))
      let others = distinct.filter { captions[$0] != captions[image] }.shuffled(using: &random)
      return [image] + others.prefix(count - 1)
    }
  }

  /// Images whose own caption has a higher cosine than all others.
  func firsts(_ images: FeatureSet, captions: FeatureSet) -> Int {
    candidates.indices.count { image in
      let cosines = candidates[image].map {
        images.cosine(image, captions.values[$0 * captions.size..<($0 + 1) * captions.size])
      }
      return cosines.dropFirst().allSatisfy { $0 < cosines[0] }
    }
  }
}
