import Foundation
import Layers
import Memory
import Optimization
import TestSupport
import Testing

/// AdamW with clipping, ceiling and decay in Double, one value at a time.
private func reference(
  weights: [Float], gradients: [[Float]], config: AdamWConfig, rate: Double, decays: (Int) -> Bool
) -> [Float] {
  var w = weights.map(Double.init)
  var m = [Double](repeating: 0, count: w.count)
  var v = m
  for (t, gradient) in gradients.enumerated() {
    let norm = sqrt(gradient.reduce(0) { $0 + Double($1) * Double($1) })
    let clip = config.clipNorm > 0 && norm > config.clipNorm ? config.clipNorm / norm : 1
    for i in w.indices {
      let g = Double(gradient[i]) * clip
      m[i] = config.beta1 * m[i] + (1 - config.beta1) * g
      v[i] = config.beta2 * v[i] + (1 - config.beta2) * g * g
      if config.varianceClip > 0 { v[i] = min(v[i], config.varianceClip) }
      let mean = m[i] / (1 - Foundation.pow(config.beta1, Double(t + 1)))
      let variance = v[i] / (1 - Foundation.pow(config.beta2, Double(t + 1)))
      w[i] -= rate * (mean / (sqrt(variance) + config.epsilon) + (decays(i) ? config.weightDecay * w[i] : 0))
    }
  }
  return w.map(Float.init)
}

/// Slices cut through parameters; decay touches the matrix only; clipping and the variance ceiling are both active.
@Test(arguments: [[0..<64], [0..<16, 16..<64], [0..<32, 32..<48, 48..<64]])
func adamWMatchesItsDefinition(slices: [Range<Int>]) {
  var table = ParameterTable()
  let block = table.addBlock("block")
  let matrix = table.add("w", [5, 7], .matrix, .constant(0), to: block)
  _ = table.add("b", [9], .bias, .constant(0), to: block)
  #expect(table[block].count == 64)
  let used = (0..<35).map { $0 } + (48..<57).map { $0 }

  var config = AdamWConfig()
  config.clipNorm = 30
  config.varianceClip = 2
  let start = (0..<64).map { used.contains($0) ? Float(sin(Double($0))) : 0 }
  let gradients = (0..<6).map { step in
    (0..<64).map { used.contains($0) ? Float(9 * cos(Double($0 * 3 + step))) : 0 }
  }
  let weights = kept(start)
  let rounded = Buffer<BFloat16>(count: 64)
  let mean = kept(count: 64)
  let variance = kept(count: 64)
  let average = kept(start)
  var expectedAverage = start
  for (step, values) in gradients.enumerated() {
    let gradient = kept(values)
    let norm = sqrt(values.reduce(0) { $0 + Double($1) * Double($1) })
    let optimizer = AdamW(config, update: step + 1, rate: 0.01, gradientNorm: norm)
    for slice in slices {
      optimizer.update(
        table[block], range: slice, weights: weights.vector[slice], rounded: rounded.vector[slice],
        gradient: gradient.vector[slice], mean: mean.vector[slice], variance: variance.vector[slice],
        average: (values: average.vector[slice], decay: 0.75))
    }
    expectedAverage = zip(expectedAverage, weights.array).map { 0.75 * $0 + 0.25 * $1 }
  }
  let expected = reference(weights: start, gradients: gradients, config: config, rate: 0.01) { $0 < matrix.count }
  // Six updates of a few fp32 roundings each.
  expectClose(weights.array, expected, absolute: 2e-6, relative: 2e-6)
  #expect(variance.array.max()! == 2)
  #expect(rounded.array == weights.array.map { BFloat16($0) })
  expectClose(average.array, expectedAverage, absolute: 2e-7, "average")
}

@Test func rampsFollowHalfACosine() {
  let ramp = CosineRamp(from: 1, to: 0.0625, steps: 100)
  #expect(ramp.value(at: 0) == 1)
  #expect(abs(ramp.value(at: 50) - (1 + 0.0625) / 2) < 1e-12)
  #expect(ramp.value(at: 100) == 0.0625)
  #expect(ramp.value(at: 1_000_000) == 0.0625)
}

@Test func warmUpReachesThePeakAndTheCosineEndsAtFinal() {
  var lr = LearningRateConfig()
  lr.peak = 2
  lr.final = 0.5
  lr.warmupSteps = 4
  let values = (0..<20).map { lr.value(at: $0, of: 20, plateau: PlateauState()) }
  #expect(Array(values[0..<4]) == [0.5, 1, 1.5, 2])
  #expect(values[4] == 2)
  #expect(zip(values[4...], values[5...]).allSatisfy { $0 > $1 })
  #expect(lr.value(at: 20, of: 20, plateau: PlateauState()) == 0.5)
}

@Test func plateauHalvesOnlyWithoutProgressAndOnlySoOften() {
  var lr = LearningRateConfig()
  lr.schedule = .plateau
  lr.plateauWindow = 10
  lr.plateauHalvings = 2
  lr.peak = 1
  var state = PlateauState()
  for window in 0..<3 { for _ in 0..<10 { state.observe(3 - Double(window), lr) } }
  #expect(lr.value(at: 99, of: 100, plateau: state) == 1)
  for _ in 0..<10 { state.observe(1, lr) }
  #expect(lr.value(at: 99, of: 100, plateau: state) == 0.5)
  for _ in 0..<50 { state.observe(1, lr) }
  #expect(lr.value(at: 99, of: 100, plateau: state) == 0.25)
}
