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

/// Pieces are some rows of a parameter, and chunks of pieces; decay touches the matrix only; clipping and the variance ceiling are
/// both active.
@Test(arguments: [[0..<9], [0..<1, 1..<9], [0..<4, 4..<5, 5..<9]], [1000, 14])
func adamWMatchesItsDefinition(rows: [Range<Int>], chunk: Int) {
  var table = ParameterTable()
  let block = table.addBlock("block")
  let matrix = table.add("w", [9, 7], .matrix, .constant(0), to: block)
  let bias = table.add("b", [9], .bias, .constant(0), to: block)
  let count = table[block].count
  let used = Array(0..<matrix.count) + (bias.offset..<bias.offset + bias.count)

  var config = AdamWConfig()
  config.clipNorm = 30
  config.varianceClip = 2
  let start = (0..<count).map { used.contains($0) ? Float(sin(Double($0))) : 0 }
  let gradients = (0..<6).map { step in
    (0..<count).map { used.contains($0) ? Float(9 * cos(Double($0 * 3 + step))) : 0 }
  }
  let optimizer = AdamW(config)
  let ema = ExponentialMovingAverage(every: 2, decay: 0.75)
  let weights = kept(start)
  let arrays = [
    optimizer.firstMoment: kept(count: count), optimizer.secondMoment: kept(count: count),
    ema.state[0]: kept(start),
  ]
  #expect(Set(optimizer.state) == [optimizer.firstMoment, optimizer.secondMoment])
  var expectedEMA = start
  for (step, values) in gradients.enumerated() {
    let gradient = kept(values)
    let norm = sqrt(values.reduce(0) { $0 + Double($1) * Double($1) })
    let update = UpdateContext(number: step + 1, lr: 0.01, gradientNorm: norm)
    for parameter in [matrix, bias] {
      for rows in rows {
        let first = parameter.offset + rows.lowerBound * parameter.valuesPerRow
        let range = first..<first + rows.count * parameter.valuesPerRow
        let piece = ParameterPiece(
          parameter, rows: rows, weights: weights.vector[range], computeCopy: nil, gradient: gradient.vector[range],
          arrays: arrays.mapValues { UnsafeMutableRawPointer($0.base + first) })
        var covered = 0
        piece.forEachChunk(of: chunk) { chunk in
          #expect(chunk.rows.lowerBound == rows.lowerBound + covered / parameter.valuesPerRow)
          covered += chunk.count
          optimizer.update(chunk, update)
          ema.update(chunk, number: update.number)
        }
        #expect(covered == piece.count)
      }
    }
    if step % 2 == 1 { expectedEMA = zip(expectedEMA, weights.array).map { 0.75 * $0 + 0.25 * $1 } }
  }
  let expected = reference(weights: start, gradients: gradients, config: config, rate: 0.01) { $0 < matrix.count }
  // Six updates of a few fp32 roundings each.
  expectClose(weights.array, expected, absolute: 2e-6, relative: 2e-6)
  #expect(arrays[optimizer.secondMoment]!.array.max()! == 2)
  expectClose(arrays[ema.state[0]]!.array, expectedEMA, absolute: 2e-7, "EMA")
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

/// The published dVAE: over 1.2 of 3 million updates.
@Test func theCosineMayEndBeforeTheTraining() {
  var lr = LearningRateConfig()
  (lr.peak, lr.final, lr.warmupSteps, lr.decaySteps) = (2, 0.5, 4, 10)
  func value(_ step: Int, of steps: Int) -> Double { lr.value(at: step, of: steps, plateau: PlateauState()) }
  #expect(value(4, of: 100) == 2 && value(9, of: 100) == 1.25 && value(14, of: 100) == 0.5 && value(99, of: 100) == 0.5)
  // A training that is shorter decays over what it has.
  #expect(value(9, of: 14) == 1.25 && value(9, of: 9) == 0.5)
}

@Test func theRateIsHeldAndFallsAtTheEnd() {
  var lr = LearningRateConfig()
  (lr.schedule, lr.peak, lr.final, lr.warmupSteps, lr.decaySteps) = (.wsd, 2, 0.5, 4, 6)
  func values(of steps: Int) -> [Double] { (0..<steps).map { lr.value(at: $0, of: steps, plateau: PlateauState()) } }
  #expect(values(of: 14) == [0.5, 1, 1.5, 2, 2, 2, 2, 2, 2, 1.75, 1.5, 1.25, 1, 0.75])
  // A training that is made longer while the rate is at its peak is the same up to there.
  #expect(
    values(of: 20).prefix(15) == [0.5, 1, 1.5] + Array(repeating: 2, count: 12)
      && values(of: 20).suffix(5) == values(of: 14).suffix(5))
  // Shorter ones fall as soon as the warm-up is over; by itself the decay takes a fifth.
  #expect(values(of: 8).suffix(4) == [2, 1.625, 1.25, 0.875])
  lr.decaySteps = 0
  #expect(values(of: 20).suffix(5) == [2, 2, 1.625, 1.25, 0.875])
  #expect(values(of: 4) == [0.5, 1, 1.5, 2])
}

/// The dVAE's loss has no lower bound.
@Test func plateauHalvesAtNegativeLossesToo() {
  var lr = LearningRateConfig()
  (lr.schedule, lr.plateauWindow, lr.plateauThreshold) = (.plateau, 1, 0.001)
  var state = PlateauState()
  for loss in [1, 0, -1, -2, -2.01] { state.observe(loss, lr) }
  #expect(state.halvings == 0)
  for (number, loss) in [-2.01, -2.011, -2, 1].enumerated() {
    state.observe(loss, lr)
    #expect(state.halvings == number + 1, "\(loss)")
  }
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
