import Kernels
import Layers
import Models
import Random
import TestSupport
import Testing
import Tokens

/// The shape and inputs of `Tests/Goldens/clip.py`.
private struct Twin {
  let config = CLIPConfig(
    imageSize: 12, patchSize: 4, layers: 2, heads: 2, headSize: 8, textLength: 12, textVocabulary: 19, featureSize: 16)
  let batch: CLIPBatch
  let model: CLIP
  let parameters: LocalParameters

  init(_ precision: Precision = .fp32) throws {
    let file = try golden("clip.safetensors")
    let text = try file.values("text", as: Int32.self)
    let lengths = try file.values("lengths", as: Int32.self)
    batch = CLIPBatch(
      pixels: try file.values("pixels", as: Int32.self).map { UInt8($0) },
      text: lengths.indices.map { text[$0 * 12..<$0 * 12 + Int(lengths[$0])].map(Token.init) })
    model = try CLIP(config, batch: 4, precision: precision)
    parameters = LocalParameters(model.table, precision: precision)
    try parameters.load(file)
    parameters.refreshComputeCopy()
  }
}

/// fp32 against fp64. Two of the four captions are equal, and one is empty.
@Test func clipMatchesItsTwin() throws {
  let (twin, file) = (try Twin(), try golden("clip.safetensors"))
  let loss = try twin.model.forwardBackward(twin.batch, twin.parameters, scale: 0.25)
  expectClose([Float(loss.nats)], try file.values("loss", as: Float.self), relative: 3e-6, "loss")
  #expect(loss.firsts == Int(try file.values("firsts", as: Int32.self)[0]) && loss.samples == 4)
  try twin.parameters.expectGradients(file, tolerance: 2e-5)
  let evaluated = try twin.model.evaluate(twin.batch, twin.parameters)
  #expect(evaluated.nats == loss.nats && evaluated.firsts == loss.firsts)
  expectClose(
    try twin.model.imageFeatures(twin.batch.pixels, twin.parameters), try file.values("image_features", as: Float.self),
    absolute: 1e-5)
  expectClose(
    try twin.model.textFeatures(twin.batch.text, twin.parameters), try file.values("text_features", as: Float.self), absolute: 1e-5)
}

/// Weights and activations rounded to 8 bits: the loss to 1e-2. Gradients of single blocks are differences of many pairs, so their direction
/// as a whole is compared.
@Test(.enabled(if: Precision.bf16.isSupported)) func clipInBF16IsCloseToItsTwin() throws {
  let (twin, file) = (try Twin(.bf16), try golden("clip.safetensors"))
  let loss = try twin.model.forwardBackward(twin.batch, twin.parameters, scale: 0.25)
  expectClose([Float(loss.nats)], try file.values("loss", as: Float.self), relative: 1e-2, "loss")
  var (product, ours, theirs) = (0.0, 0.0, 0.0)
  for parameter in twin.model.table.parameters {
    let actual = twin.parameters.gradients(of: parameter.block)[parameter].array
    for (a, b) in zip(actual, try file.values("gradient/\(parameter.name)", as: Float.self)) {
      (product, ours, theirs) = (product + Double(a * b), ours + Double(a * a), theirs + Double(b * b))
    }
  }
  #expect(product / (ours * theirs).squareRoot() > 0.99)
}

/// Features do not depend on what else is computed with them; nor do they on a caption's padding.
@Test func featuresOfASampleAreItsOwn() throws {
  let twin = try Twin()
  let values = twin.config.pixelValues
  let all = try twin.model.imageFeatures(twin.batch.pixels + twin.batch.pixels, twin.parameters)
  let text = try twin.model.textFeatures(twin.batch.text + twin.batch.text, twin.parameters)
  for sample in 0..<4 {
    let part = sample * 16..<(sample + 1) * 16
    let image = try twin.model.imageFeatures(Array(twin.batch.pixels[sample * values..<(sample + 1) * values]), twin.parameters)
    expectClose(image, Array(all[part]), absolute: 1e-5)
    expectClose(Array(all[part]), Array(all[64 + part.lowerBound..<64 + part.upperBound]), absolute: 1e-5)
    expectClose(try twin.model.textFeatures([twin.batch.text[sample]], twin.parameters), Array(text[part]), absolute: 1e-5)
    #expect(abs(image.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
  }
}

@Test func shapesThatNoCLIPHasAreRefused() throws {
  func problem(_ change: (inout CLIPConfig) -> Void) throws -> String {
    var config = try Twin().config
    change(&config)
    do { try config.validate() } catch { return "\(error)" }
    return ""
  }
  #expect(try problem { _ in } == "")
  #expect(try problem { $0.patchSize = 5 } == "the CLIP's imageSize is 12; it must be a multiple of its patchSize, 5")
  #expect(try problem { $0.featureSize = 24 } == "the CLIP's featureSize is 24; it must be a multiple of 16")
  #expect(try problem { $0.headSize = 9 } == "the CLIP's heads · headSize is 18; it must be a multiple of 16")
  #expect(try problem { $0.textLength = 0 }.contains("textLength is 0; it must lie between 1 and 4096"))
}
