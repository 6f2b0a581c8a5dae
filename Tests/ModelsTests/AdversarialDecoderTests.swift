import Errors
import Foundation
import Kernels
import Layers
import Memory
import Safetensors
import TestSupport
import Testing

@testable import Models

/// The step of `Tests/Goldens/decoder.py`.
private struct Twin {
  struct Facts: Decodable {
    let samples, discriminatorChannels: Int
    let adversarialWeight, featureWeight, reconstruction, discriminator, adversarial, features: Double
  }
  let file: SafetensorsReader
  let config: AdversarialDecoderConfig
  let facts: Facts
  let frozen: LocalParameters
  let weights: AdversarialWeights
  let pixels: [UInt8]

  init(_ precision: Precision = .fp32) throws {
    file = try golden("decoder.safetensors")
    facts = try JSONDecoder().decode(Facts.self, from: Data(file.metadata["facts"]!.utf8))
    let dvae = try JSONDecoder().decode(DVAEConfig.self, from: Data(file.metadata["config"]!.utf8))
    config = AdversarialDecoderConfig(dvae: dvae, discriminatorChannels: facts.discriminatorChannels)
    frozen = LocalParameters(DVAEArchitecture(dvae).table, gradients: false, precision: precision)
    for parameter in frozen.table.parameters {
      frozen.weights(of: parameter.block)[parameter].copy(from: try file.values("frozen/\(parameter.name)", as: Float.self))
    }
    frozen.refreshComputeCopy()
    weights = AdversarialWeights(adversarial: facts.adversarialWeight, features: facts.featureWeight)
    pixels = try file.values("pixels", as: UInt8.self)
  }

  func model(batch: Int, _ precision: Precision = .fp32) throws -> (model: AdversarialDecoder, parameters: LocalParameters) {
    let model = try AdversarialDecoder(config, frozen: frozen, batch: batch, precision: precision)
    let parameters = LocalParameters(model.table, precision: precision)
    try parameters.load(file)
    parameters.refreshComputeCopy()
    return (model, parameters)
  }

  /// The step in micro-batches of `batch` samples.
  func step(
    batch: Int, _ weights: AdversarialWeights? = nil, _ precision: Precision = .fp32
  ) throws -> (loss: AdversarialLoss, parameters: LocalParameters) {
    let (model, parameters) = try model(batch: batch, precision)
    var loss = AdversarialLoss()
    for first in stride(from: 0, to: facts.samples, by: batch) {
      let count = min(batch, facts.samples - first)
      loss += try pixels.withUnsafeBufferPointer {
        try model.forwardBackward(
          $0.baseAddress! + first * config.dvae.pixelValues, count: count, parameters, weights ?? self.weights,
          scale: 1 / Float(facts.samples))
      }
    }
    return (loss, parameters)
  }
}

/// fp32 against fp64: the decoder's gradients are those of likelihood, verdict and features together, and the discriminator's its own.
/// Whatever the micro-batches are, sums are the same.
@Test(arguments: [1, 2, 3]) func decoderStepIsTheTwins(batch: Int) throws {
  let twin = try Twin()
  let (loss, parameters) = try twin.step(batch: batch)
  #expect(loss.samples == twin.facts.samples)
  for (ours, theirs) in [
    (loss.reconstruction, twin.facts.reconstruction), (loss.discriminator, twin.facts.discriminator),
    (loss.adversarial, twin.facts.adversarial), (loss.features, twin.facts.features),
  ] { #expect(abs(ours - theirs) < 5e-6 * abs(theirs), "\(ours) for \(theirs)") }
  #expect(
    Set(parameters.table.parameters.map { "gradient/\($0.name)" })
      == Set(twin.file.tensors.keys.filter { $0.hasPrefix("gradient/") }))
  try parameters.expectGradients(twin.file, tolerance: 3e-5)
}

/// Operands of 8 bits: losses to hundredths. Gradients are compared as a whole, since a rectifier or a sign of a distance falls to the
/// other side here and there.
@Test(.enabled(if: Precision.bf16.isSupported)) func decoderInBF16IsCloseToItsTwin() throws {
  let twin = try Twin(.bf16)
  let (loss, parameters) = try twin.step(batch: 3, nil, .bf16)
  #expect(abs(loss.reconstruction - twin.facts.reconstruction) < 3e-2 * abs(twin.facts.reconstruction))
  #expect(abs(loss.discriminator - twin.facts.discriminator) < 3e-2 * twin.facts.discriminator)
  #expect(abs(loss.features - twin.facts.features) < 3e-2 * twin.facts.features)
  for part in ["decoder.", "discriminator."] {
    var (product, ours, theirs) = (0.0, 0.0, 0.0)
    for parameter in parameters.table.parameters where parameter.name.hasPrefix(part) {
      let actual = parameters.gradients(of: parameter.block)[parameter].array
      for (a, b) in zip(actual, try twin.file.values("gradient/\(parameter.name)", as: Float.self)) {
        (product, ours, theirs) = (product + Double(a * b), ours + Double(a * a), theirs + Double(b * b))
      }
    }
    #expect(product / (ours * theirs).squareRoot() > 0.99, "\(part)")
  }
}

/// Before the discriminator has a say the decoder's gradient is that of the likelihood, as in the dVAE's own training.
@Test func aSilentDiscriminatorChangesNothing() throws {
  let twin = try Twin()
  let (loss, parameters) = try twin.step(batch: 3, AdversarialWeights(adversarial: 0, features: 3))
  #expect(loss.adversarial == 0 && loss.features == 0)
  let spoken = try twin.step(batch: 3).parameters
  for parameter in parameters.table.parameters {
    let (silent, other) = (
      parameters.gradients(of: parameter.block)[parameter].array, spoken.gradients(of: parameter.block)[parameter].array
    )
    #expect((silent == other) == !AdversarialDecoder.isOfDecoder(parameter.name), "\(parameter.name)")
  }
}

/// Training begins with the dVAE's decoder: it decodes what the dVAE decodes, and judges no likelihood differently.
@Test func theFirstDecoderIsTheDVAEs() throws {
  let twin = try Twin()
  let (model, parameters) = try twin.model(batch: 3)
  for parameter in model.table.parameters {
    let values = model.initialValues(of: parameter)
    #expect((values != nil) == AdversarialDecoder.isOfDecoder(parameter.name))
    if let values { parameters.weights(of: parameter.block)[parameter].copy(from: values) }
  }
  let dvae = try DVAE(twin.config.dvae, batch: 3, mode: .inference)
  var codes = [UInt16](repeating: 0, count: 3 * twin.config.dvae.grid * twin.config.dvae.grid)
  let expected = try dvae.evaluate(twin.pixels, count: 3, twin.frozen, into: &codes)
  let found = try model.evaluate(twin.pixels, count: 3, parameters)
  #expect(found.reconstruction == expected.reconstruction && found.squaredError == expected.squaredError)
  var (ours, theirs) = (twin.pixels, twin.pixels)
  try dvae.decode(codes, count: 3, twin.frozen, into: &theirs)
  try model.reconstruct(twin.pixels, count: 3, parameters, into: &ours)
  #expect(ours == theirs && ours != twin.pixels)
}

/// Descent on both makes the discriminator surer at first; with it, decoded images come to be judged better than at the start.
@Test func decoderAndDiscriminatorLearn() throws {
  let twin = try Twin()
  let (model, parameters) = try twin.model(batch: 3)
  for block in model.table.blockIDs { model.table.initialize(block, into: parameters.weights(of: block), seed: 2) }
  for parameter in model.table.parameters {
    if let values = model.initialValues(of: parameter) { parameters.weights(of: parameter.block)[parameter].copy(from: values) }
  }
  func losses(_ steps: Int, _ weights: AdversarialWeights, trains: (Parameter) -> Bool) throws -> [AdversarialLoss] {
    try (0..<steps).map { _ in
      parameters.zeroGradients()
      let loss = try model.forwardBackward(twin.pixels, count: 3, parameters, weights, scale: 1 / 3)
      for parameter in model.table.parameters where trains(parameter) {
        let (values, gradients) = (
          parameters.weights(of: parameter.block)[parameter], parameters.gradients(of: parameter.block)[parameter]
        )
        for index in 0..<values.count { values[index] -= 0.02 * gradients[index] }
      }
      return loss
    }
  }
  let alone = try losses(80, AdversarialWeights(adversarial: 0, features: 0)) { !AdversarialDecoder.isOfDecoder($0.name) }
  #expect(alone.last!.discriminator < 0.8 * alone.first!.discriminator)
  let together = try losses(80, AdversarialWeights(adversarial: 2, features: 0)) { AdversarialDecoder.isOfDecoder($0.name) }
  #expect(together.last!.adversarial < together.first!.adversarial)
}

@Test func impossibleDecodersAreRefused() throws {
  let twin = try Twin()
  var config = twin.config
  config.discriminatorChannels = 6
  #expect(
    throws: DalleError(.configuration, "the decoder's discriminatorChannels is 6; it must be a multiple of 4 from 4 to 8192")
  ) { try config.validate() }
}
