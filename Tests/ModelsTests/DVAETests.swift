import Errors
import Foundation
import Kernels
import Layers
import Memory
import TestSupport
import Testing

@testable import Models

private let goldens = ["dvae-groups3", "dvae-groups4", "dvae-fsq"]

/// One training step of the golden model on its first `samples` samples.
private func step(
  _ golden: DVAEGolden, recompute: Bool = false, batch: Int? = nil, samples: Range<Int>? = nil, _ precision: Precision = .fp32
) throws -> (loss: DVAELoss, source: LocalParameters, model: DVAE) {
  var config = golden.config
  config.recompute = recompute
  let model = try DVAE(config, batch: batch ?? golden.facts.samples, precision: precision)
  let source = golden.parameters(model.table, precision)
  let noise = kept(golden.floats("noise"))
  let rows = config.grid * config.grid
  var loss = DVAELoss()
  let pixels = golden.pixels
  let all = samples ?? 0..<golden.facts.samples
  for start in stride(from: all.lowerBound, to: all.upperBound, by: model.batch) {
    let count = min(model.batch, all.upperBound - start)
    let matrix = noise.vector.matrix(rows: noise.count / config.vocabulary, columns: config.vocabulary)
    loss += try pixels.withUnsafeBufferPointer {
      try model.forwardBackward(
        $0.baseAddress! + start * config.pixelValues, count: count, source, temperature: golden.facts.temperature,
        klWeight: golden.facts.klWeight, noise: .given(matrix.rows(start * rows..<(start + count) * rows)),
        scale: 1 / Float(golden.facts.samples))
    }
  }
  return (loss, source, model)
}

private func gradients(_ source: LocalParameters) -> [Float] {
  source.table.blockIDs.flatMap { source.gradients(of: $0).values.array }
}

@Test func publishedDVAEHasThePublishedParameters() {
  let table = DVAEArchitecture(DVAEConfig()).table
  func count(_ prefix: String) -> Int {
    table.parameters.filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.count }
  }
  #expect(count("encoder.") == 53_786_240)
  #expect(count("decoder.") == 43_829_766)
  #expect(table.parameterCount == 53_786_240 + 43_829_766)
  #expect(table.parameters.contains { $0.name == "encoder.blocks.group_2.block_1.id_path.w" && $0.shape == [512, 256, 1, 1] })
  #expect(table.blockIDs.count == 4 + 16)
}

@Test(arguments: goldens) func dvaeNamesAndShapesAreTheTwins(file: String) throws {
  let golden = try DVAEGolden(file)
  let table = DVAEArchitecture(golden.config).table
  #expect(Set(table.parameters.map(\.name)) == golden.parameterNames)
  for parameter in table.parameters { #expect(parameter.shape == golden.shape(parameter.name), "\(parameter.name)") }
}

@Test(arguments: goldens, [false, true]) func dvaeTrainingStepIsTheTwins(file: String, recompute: Bool) throws {
  let golden = try DVAEGolden(file)
  let (loss, source, _) = try step(golden, recompute: recompute)
  #expect(loss.samples == golden.facts.samples)
  // Sums of some thousand fp32 terms against float64: a few parts in 10^7 of the terms' sizes.
  #expect(abs(loss.reconstruction - golden.facts.reconstruction) < 2e-6 * abs(golden.facts.reconstruction))
  #expect(abs(loss.kl - golden.facts.kl) <= 2e-5 * golden.facts.kl)
  for parameter in source.table.parameters {
    let expected = golden.floats("gradient." + parameter.name)
    // Gradients are sums of up to 768 products of both signs; rounding is relative to the largest, not to the sum.
    let largest = expected.reduce(0) { max($0, abs($1)) }
    #expect(largest > 0, "\(parameter.name) has no gradient to compare")
    expectClose(
      source.gradients(of: parameter.block)[parameter].array, expected, absolute: 2e-5 * largest, parameter.name)
  }
}

/// Weights and activations rounded to 8 bits: losses to a hundredth, the gradient to some hundredths. Where a rectifier or a maximum
/// falls to the other side, a gradient of these small models, which have few terms, changes by more.
@Test(.enabled(if: Precision.bf16.isSupported), arguments: goldens) func dvaeInBF16IsCloseToItsTwin(file: String) throws {
  let golden = try DVAEGolden(file)
  let (loss, source, _) = try step(golden, .bf16)
  #expect(abs(loss.reconstruction - golden.facts.reconstruction) < 2e-2 * abs(golden.facts.reconstruction))
  #expect(abs(loss.kl - golden.facts.kl) <= 2e-2 * golden.facts.kl)
  func squares(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) } }
  let errors = source.table.parameters.map { parameter in
    let expected = golden.floats("gradient." + parameter.name)
    let error = zip(source.gradients(of: parameter.block)[parameter].array, expected).map { $0 - $1 }
    return (error: squares(error), size: squares(expected))
  }
  let relative = errors.map { ($0.error / $0.size).squareRoot() }.sorted()
  #expect(relative[relative.count / 2] < 0.02 && relative[relative.count * 9 / 10] < 0.1 && relative.last! < 0.5, "\(relative)")
  #expect((errors.reduce(0) { $0 + $1.error } / errors.reduce(0) { $0 + $1.size }).squareRoot() < 0.02)

  for mode in [ModelMode.training, .inference] {
    let model = try DVAE(golden.config, batch: golden.facts.samples, mode: mode, precision: .bf16)
    var codes = [UInt16](repeating: 0, count: golden.codes.count)
    let evaluated = try model.evaluate(golden.pixels, count: golden.facts.samples, source, into: &codes)
    // Near ties may fall to the other code.
    #expect(zip(codes, golden.codes).count { $0 != $1 } * 20 <= codes.count)
    #expect(abs(evaluated.reconstruction - golden.facts.hardReconstruction) < 1e-2 * abs(golden.facts.hardReconstruction))
    var decoded = [UInt8](repeating: 0, count: golden.pixels.count)
    try model.decode(golden.codes, count: golden.facts.samples, source, into: &decoded)
    let exact: [UInt8] = golden.array("decoded", UInt8.self)
    #expect(zip(decoded, exact).allSatisfy { abs(Int($0) - Int($1)) <= 3 })
  }
}

@Test(arguments: goldens) func dvaeEvaluationIsTheTwins(file: String) throws {
  let golden = try DVAEGolden(file)
  for mode in [ModelMode.training, .inference] {
    let model = try DVAE(golden.config, batch: golden.facts.samples, mode: mode)
    let source = golden.parameters(model.table)
    var codes = [UInt16](repeating: 0, count: golden.codes.count)
    let loss = try model.evaluate(golden.pixels, count: golden.facts.samples, source, into: &codes)
    #expect(codes == golden.codes)
    #expect(abs(loss.kl - golden.facts.kl) <= 2e-5 * golden.facts.kl)
    #expect(abs(loss.reconstruction - golden.facts.hardReconstruction) < 2e-6 * abs(golden.facts.hardReconstruction))

    var decoded = [UInt8](repeating: 0, count: golden.pixels.count)
    try model.decode(codes, count: golden.facts.samples, source, into: &decoded)
    let expected: [UInt8] = golden.array("decoded", UInt8.self)
    // A value within fp32 rounding of a half may round to the other neighbour.
    let different = zip(decoded, expected).count { $0 != $1 }
    #expect(decoded.count == expected.count && different <= 2)
    #expect(zip(decoded, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    #expect(abs(loss.squaredError - golden.facts.squaredError) <= 2 * 512)
  }
}

@Test(arguments: goldens, Set([Precision.fp32, .fastest])) func recomputationKeepsTheBits(file: String, precision: Precision) throws
{
  let golden = try DVAEGolden(file)
  let kept = try step(golden, precision)
  let recomputed = try step(golden, recompute: true, precision)
  #expect(gradients(kept.source) == gradients(recomputed.source))
  #expect(kept.loss.reconstruction == recomputed.loss.reconstruction)
  #expect(recomputed.model.activationBytes < kept.model.activationBytes)
}

@Test func aSecondStepHasTheBitsOfTheFirst() throws {
  let golden = try DVAEGolden("dvae-groups3")
  let (loss, source, model) = try step(golden)
  let first = gradients(source)
  source.zeroGradients()
  let noise = kept(golden.floats("noise"))
  let again = try model.forwardBackward(
    golden.pixels, count: golden.facts.samples, source, temperature: golden.facts.temperature,
    klWeight: golden.facts.klWeight,
    noise: .given(noise.vector.matrix(rows: noise.count / golden.config.vocabulary, columns: golden.config.vocabulary)),
    scale: 1 / Float(golden.facts.samples))
  #expect(gradients(source) == first)
  #expect(again.reconstruction == loss.reconstruction && again.kl == loss.kl)
}

/// A batch that is not full, and a batch split in pieces, give the sums of the whole.
@Test func dvaeStepDoesNotDependOnTheBatch() throws {
  let golden = try DVAEGolden("dvae-groups4")
  let whole = try step(golden)
  for batch in [1, 2, 8] {
    let split = try step(golden, batch: batch)
    #expect(abs(split.loss.reconstruction - whole.loss.reconstruction) < 1e-6 * abs(whole.loss.reconstruction))
    for parameter in whole.source.table.parameters {
      let expected = whole.source.gradients(of: parameter.block)[parameter].array
      let largest = expected.reduce(0) { max($0, abs($1)) }
      // The order of the sums differs.
      expectClose(
        split.source.gradients(of: parameter.block)[parameter].array, expected, absolute: 1e-5 * largest, parameter.name)
    }
  }
}

@Test func drawnNoiseBelongsToTheSampleAndTheStep() throws {
  let golden = try DVAEGolden("dvae-groups3")
  let model = try DVAE(golden.config, batch: 2)
  let source = golden.parameters(model.table)
  let pixels = golden.pixels
  func loss(_ samples: [Int], step: Int, from first: Int = 0) throws -> Double {
    try pixels.withUnsafeBufferPointer {
      try model.forwardBackward(
        $0.baseAddress! + first * golden.config.pixelValues, count: samples.count, source, temperature: 1, klWeight: 0,
        noise: .drawn(seed: 5, step: step, samples: samples), scale: 1
      ).reconstruction
    }
  }
  let both = try loss([7, 9], step: 3)
  let apart = try loss([7], step: 3) + loss([9], step: 3, from: 1)
  #expect(abs(both - apart) < 1e-6 * abs(both))
  #expect(try loss([7, 9], step: 4) != both)
  #expect(try loss([9, 7], step: 3) != both)
}

@Test func dvaeLearnsToReconstructOneImage() throws {
  let golden = try DVAEGolden("dvae-groups3")
  let model = try DVAE(golden.config, batch: 1)
  let source = LocalParameters(model.table)
  for block in model.table.blockIDs {
    model.table.initialize(block, into: source.weights(of: block), seed: 1)
  }
  // An image with a smooth gradient, which 16 codes can say something about.
  let size = golden.config.imageSize
  let pixels = (0..<size * size * 3).map { UInt8(($0 / 3 % size) * 8 + ($0 / 3 / size) * 4 + ($0 % 3) * 20) }
  var losses: [Double] = []
  for step in 0..<60 {
    source.zeroGradients()
    losses.append(
      try model.forwardBackward(
        pixels, count: 1, source, temperature: 1, klWeight: 0, noise: .drawn(seed: 1, step: step, samples: [0]), scale: 1
      ).total(klWeight: 0, pixelValues: golden.config.pixelValues))
    for block in model.table.blockIDs {
      let (weights, gradients) = (source.weights(of: block).values, source.gradients(of: block).values)
      for index in 0..<weights.count { weights[index] -= 0.05 * gradients[index] }
    }
  }
  // Plain descent on one sample must go down by far more than the noise moves it.
  #expect(losses.suffix(5).reduce(0, +) / 5 < losses[0] - 0.2)
}

/// Every code is the one that its values round to, and no two codes share values.
@Test(arguments: [4, 8, 32, 64, 512, 1024, 8192, 65536]) func scalarCodesAreOneToOne(vocabulary: Int) {
  var config = DVAEConfig()
  (config.quantizer, config.vocabulary) = (.fsq, vocabulary)
  let levels = config.levels
  #expect(levels.reduce(1, *) == vocabulary && levels.allSatisfy { $0 == 4 || $0 == 8 })
  let (values, z) = (kept(count: levels.count), kept(count: levels.count))
  for code in 0..<vocabulary {
    dequantize(code, levels: levels, into: values.vector)
    for index in levels.indices { z.vector[index] = atanh(values.vector[index]) }
    let expected = values.vector.array
    let found = quantize(z.vector, levels: levels, into: values.vector)
    #expect(found == code && values.vector.array == expected)
    if found != code { break }
  }
}

/// The largest and smallest values, infinities, and what is not a number: never another code than those that exist.
@Test func scalarQuantizationTakesAnyValue() {
  let (z, values) = (kept([Float.infinity, -.infinity, 0, .nan]), kept(count: 4))
  let code = quantize(z.vector, levels: [4, 8, 8, 8], into: values.vector)
  #expect(code == 3 + 4 * (0 + 8 * (4 + 8 * 0)))
  #expect(values.vector[0] == 0.75 && values.vector[1] == -0.875 && values.vector[2] == 0.125 && values.vector[3].isNaN)
}

@Test func impossibleDVAEsAreRefused() {
  func expectRefused(_ message: String, _ change: (inout DVAEConfig) -> Void) {
    var config = DVAEConfig()
    change(&config)
    #expect(throws: DalleError(.configuration, message)) { try config.validate() }
    #expect(throws: DalleError(.configuration, message)) { try DVAE(config, batch: 1) }
  }
  expectRefused("the dVAE's imageSize is 100; with 4 groups it must be a multiple of 8 = 2^(groups - 1)") { $0.imageSize = 100 }
  expectRefused("the dVAE's baseChannels is 10; it must be a multiple of 4") { $0.baseChannels = 10 }
  expectRefused("the dVAE's vocabulary is 65537; it must lie between 2 and 65536") { $0.vocabulary = 65_537 }
  expectRefused("the dVAE's vocabulary is 1000; with the quantizer fsq it must be a power of two from 4 to 65536") {
    ($0.quantizer, $0.vocabulary) = (.fsq, 1000)
  }
  expectRefused("the dVAE's groups is 0; it must lie between 1 and 8") { $0.groups = 0 }
}

@Test func anUnknownCodeIsRefusedByName() throws {
  let golden = try DVAEGolden("dvae-groups3")
  let model = try DVAE(golden.config, batch: 2, mode: .inference)
  let source = golden.parameters(model.table)
  var codes = golden.codes
  codes[19] = 32
  var pixels = golden.pixels
  do {
    try model.decode(codes, count: 2, source, into: &pixels)
    Issue.record("code 32 of 32 was decoded")
  } catch let error as DalleError {
    #expect(
      "\(error)" == "image token 32 at position 3 of sample 1: this dVAE has codes 0 to 31; decode with the dVAE that encoded it")
  }
}

@Test func inferenceNeedsLessMemory() throws {
  var config = DVAEConfig()
  (config.imageSize, config.baseChannels, config.vocabulary) = (64, 32, 512)
  let training = try DVAE.activationBytes(config, batch: 4)
  let inference = try DVAE.activationBytes(config, batch: 4, mode: .inference)
  #expect(inference * 3 < training)
}

@Test func codebookUsageKnownAnswers() {
  var usage = CodebookUsage(vocabulary: 4)
  [UInt16](arrayLiteral: 0, 0, 2, 2).withUnsafeBufferPointer { usage.add($0) }
  #expect(usage.counts == [2, 0, 2, 0])
  #expect(usage.used == 0.5)
  #expect(abs(usage.perplexity - 2) < 1e-12)
}

@Test func lossIsNormalisedAsPublished() {
  var loss = DVAELoss()
  (loss.samples, loss.reconstruction, loss.kl, loss.squaredError) = (2, 600, 30, 2 * 768 * 25.5 * 25.5)
  #expect(loss.total(klWeight: 6, pixelValues: 768) == (600 + 180) / 1536.0)
  #expect(abs(loss.psnr(pixelValues: 768) - 20) < 1e-12)
}
