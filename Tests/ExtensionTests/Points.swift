import Random

#if canImport(Glibc)
  import Glibc
#endif

/// Samples of a function of four numbers. A sample's number is its address, so any rank can make any of them.
struct Points: Sendable {
  /// `[sample, 4]`
  var inputs: [Float] = []
  var targets: [Float] = []
  /// Whether they give a gradient that is not finite.
  var areSpoiled = false
  var count: Int { targets.count }

  /// Tells these samples from others, in the stage's manifest.
  static let identity = "sin(2 a) + b, seed 11"
  /// Numbers of the samples that are never trained on.
  static let validation = -50..<0

  init(_ numbers: Range<Int>) {
    for number in numbers {
      var random = RandomStream(seed: 11, UInt64(bitPattern: Int64(number)))
      let x = (0..<4).map { _ in 2 * random.uniform() - 1 }
      inputs += x
      targets.append(sin(2 * x[0]) + x[1])
    }
  }

  private init(inputs: [Float], targets: [Float]) { (self.inputs, self.targets) = (inputs, targets) }

  func rows(_ range: Range<Int>) -> Points {
    Points(inputs: Array(inputs[4 * range.lowerBound..<4 * range.upperBound]), targets: Array(targets[range]))
  }

  /// Σ ½ (answer - target)²
  func loss(_ answers: [Float]) -> Double { zip(answers, targets).reduce(0) { $0 + 0.5 * Double(($1.0 - $1.1) * ($1.0 - $1.1)) } }
}
