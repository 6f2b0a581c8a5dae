import Kernels
import Layers
import Memory
import Models
import Random
import Testing
import Tokens

@testable import Kernels

/// Mask values one by one from `Philox.block`: word w of the block at position p decides value 64 · (p / 16) + 16 · w + p mod 16.
@Test(arguments: [Float(0.1), 0.5])
func dropoutFollowsItsRandomNumbers(probability: Float) {
  let (rows, columns, place) = (7, 48, UInt32(3))
  let space = Buffer<Float>(count: 3 * rows * columns)
  func matrix(_ number: Int) -> Matrix { Matrix(space.base + number * rows * columns, rows: rows, columns: columns) }
  let (x, residual, y) = (matrix(0), matrix(1), matrix(2))
  for i in 0..<rows * columns { (x.vector[i], residual.vector[i]) = (Float(i) - 100, Float(i % 5)) }
  let mask = DropoutMask(seed: 5, stream: 77, place: place)
  let expected = (0..<rows * columns).map { i in
    let words = Philox.block(seed: 5, stream: 77, position: UInt64(place) << 32 + UInt64(i / 64 * 16 + i % 16))
    let uniform = (Float(words[i / 16 % 4] >> 9) + 0.5) * 0x1p-23
    return uniform < probability ? 0 : x.vector[i] * (1 / (1 - probability))
  }
  dropout(x, mask, probability: probability, into: y)
  #expect(y.vector.array == expected)
  dropout(x, mask, probability: probability, residual: residual, into: y)
  #expect(y.vector.array == zip(expected, residual.vector.array).map(+))
  dropout(x, mask, probability: probability, into: x)
  #expect(x.vector.array == expected)
  let dropped = Float(expected.count { $0 == 0 }) / Float(expected.count)
  #expect(abs(dropped - probability) < 0.1)
}

private struct Model {
  let config: TransformerConfig
  let parameters: LocalParameters
  let transformer: Transformer

  init(_ architecture: TransformerArchitecture, recompute: Bool = false) throws {
    config = TransformerConfig(
      layers: 3, heads: 2, headSize: 8, textLength: 6, grid: 4, textVocabulary: 37, imageVocabulary: 23, convolutionKernel: 3,
      architecture: architecture, recompute: recompute)
    transformer = try Transformer(config, batch: 3)
    parameters = LocalParameters(transformer.table)
    var random = RandomStream(seed: 1, stream: 2)
    for block in transformer.table.blockIDs {
      let weights = parameters.weights(of: block).values
      for i in 0..<weights.count { weights[i] = 0.6 * (random.uniform() - 0.5) }
    }
  }

  func batch(step: UInt64 = 0) -> TransformerBatch {
    TransformerBatch(
      text: [[3, 1, 36], [], [7]], image: (0..<3 * 16).map { Token($0 * 5 % 23) },
      dropout: Dropout(probability: 0.3, streams: (0..<3).map { RandomStream(seed: 9, step, $0) }))
  }

  /// Loss, as the gradient has it.
  func loss(_ batch: TransformerBatch) throws -> Double {
    let loss = try transformer.forwardBackward(batch, parameters, textScale: 0.05, imageScale: 0.02)
    return 0.05 * loss.textNats + 0.02 * loss.imageNats
  }

  var gradients: [[Float]] { transformer.table.blockIDs.map { parameters.gradients(of: $0).values.array } }
}

/// Every block's gradient against the loss along a random direction.
@Test(arguments: TransformerArchitecture.allCases)
func gradientsWithDropoutMatchFiniteDifferences(architecture: TransformerArchitecture) throws {
  let model = try Model(architecture)
  let batch = model.batch()
  _ = try model.loss(batch)
  let gradients = model.gradients
  var random = RandomStream(seed: 3, stream: 4)
  for (block, gradient) in zip(model.transformer.table.blockIDs, gradients) {
    let weights = model.parameters.weights(of: block).values
    let before = weights.array
    let size = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
    // Along the gradient, mostly: a direction of chance alone changes the loss too little to be seen in fp32.
    let direction = gradient.map { $0 / size + 0.5 * (random.uniform() - 0.5) / Float(gradient.count).squareRoot() }
    func loss(_ distance: Float) throws -> Double {
      for i in before.indices { weights[i] = before[i] + distance * direction[i] }
      return try model.loss(batch)
    }
    let distance: Float = 4e-3
    let measured = try (loss(distance) - loss(-distance)) / Double(2 * distance)
    for i in before.indices { weights[i] = before[i] }
    let expected = Double(zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 })
    #expect(abs(measured - expected) < 0.01 * expected, "block \(block.index): \(measured), gradient \(expected)")
  }
}

@Test(arguments: TransformerArchitecture.allCases)
func dropoutBelongsToSamplesAndSteps(architecture: TransformerArchitecture) throws {
  let model = try Model(architecture)
  let whole = try model.loss(model.batch())
  let gradients = model.gradients
  model.parameters.zeroGradients()
  let parts = try model.loss(model.batch().rows(0..<1)) + model.loss(model.batch().rows(1..<3))
  #expect(abs(whole - parts) < 1e-6 * whole)
  for (a, b) in zip(gradients, model.gradients) {
    let largest = a.map(abs).max()!
    #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 * largest })
  }
  #expect(try model.loss(model.batch(step: 1)) != whole)
  let again = try Model(architecture, recompute: true)
  #expect(try again.loss(again.batch()) == whole && again.gradients == gradients)
}

/// Validation has no dropout.
@Test func evaluationDropsNothing() throws {
  let model = try Model(.published)
  let batch = model.batch()
  let plain = try model.transformer.evaluate(TransformerBatch(text: batch.text, image: batch.image), model.parameters)
  #expect(try model.transformer.evaluate(batch, model.parameters).imageNats == plain.imageNats)
}
