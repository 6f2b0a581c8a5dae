import Tokens

#if canImport(Glibc)
  import Glibc
#endif

/// Sums over samples, to be added up over batches and ranks before they are averaged.
package struct DVAELoss: Sendable, Equatable {
  package var samples = 0
  /// Negative log-likelihood of all pixel values, in nats (paper A.3).
  package var reconstruction = 0.0
  /// KL(q || uniform) of all grid positions, in nats.
  package var kl = 0.0
  /// Squared difference of bytes between images and their reconstructions, by `evaluate` alone.
  package var squaredError = 0.0

  package init() {}

  /// The training loss: reconstruction and `klWeight` times KL, per sample and pixel value (paper A.2).
  package func total(klWeight: Double, pixelValues: Int) -> Double {
    (reconstruction + klWeight * kl) / Double(samples * pixelValues)
  }

  /// Peak signal-to-noise ratio of the reconstructions in decibels.
  package func psnr(pixelValues: Int) -> Double {
    10 * log10(255 * 255 * Double(samples * pixelValues) / squaredError)
  }

  package static func += (a: inout DVAELoss, b: DVAELoss) {
    a.samples += b.samples
    a.reconstruction += b.reconstruction
    a.kl += b.kl
    a.squaredError += b.squaredError
  }
}

/// How often each code occurs.
package struct CodebookUsage: Sendable {
  package private(set) var counts: [Int]

  package init(vocabulary: Int) { counts = Array(repeating: 0, count: vocabulary) }

  package mutating func add(_ codes: UnsafeBufferPointer<Token>) {
    for code in codes { counts[Int(code)] += 1 }
  }

  /// Adds what another batch or rank counted over the same vocabulary.
  package mutating func add(_ other: [Int]) {
    precondition(other.count == counts.count, "counts of \(other.count) codes for \(counts.count)")
    for code in counts.indices { counts[code] += other[code] }
  }

  /// The share of the codes that occur.
  package var used: Double { Double(counts.count { $0 > 0 }) / Double(counts.count) }

  /// e^entropy of the codes' frequencies: how many equally frequent codes would be as varied.
  package var perplexity: Double {
    let total = Double(counts.reduce(0, +))
    return exp(-counts.reduce(0) { $1 == 0 ? $0 : $0 + Double($1) / total * log(Double($1) / total) })
  }
}
