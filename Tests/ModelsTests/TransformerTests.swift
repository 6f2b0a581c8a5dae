import Kernels
import Layers
import Memory
import Models
import Safetensors
import TestSupport
import Testing
import Tokens

/// The shape and inputs of `Tests/Goldens/transformer.py`.
private struct Twin {
  let file: SafetensorsReader
  let config: TransformerConfig
  let batch: TransformerBatch

  init(_ architecture: TransformerArchitecture = .published, recompute: Bool = false) throws {
    file = try golden(architecture == .published ? "transformer.safetensors" : "transformer-modern.safetensors")
    config = TransformerConfig(
      layers: 6, heads: 2, headSize: 8, textLength: 6, grid: 4, textVocabulary: 37, imageVocabulary: 23,
      convolutionKernel: 3, architecture: architecture, recompute: recompute)
    let text = try file.values("text", as: Int32.self)
    let lengths = try file.values("lengths", as: Int32.self)
    batch = TransformerBatch(
      text: lengths.indices.map { text[$0 * 6..<$0 * 6 + Int(lengths[$0])].map(Token.init) },
      image: try file.values("image", as: Int32.self).map(Token.init)
    )
  }

  func run(
    _ samples: TransformerBatch, laidOutFor count: Int, _ precision: Precision = .fp32
  ) throws -> (TransformerLoss, LocalParameters) {
    let model = try Transformer(config, batch: count, precision: precision)
    let parameters = LocalParameters(model.table, precision: precision)
    try parameters.load(file)
    parameters.refreshComputeCopy()
    let loss = try model.forwardBackward(samples, parameters, textScale: 0.03, imageScale: 0.017)
    return (loss, parameters)
  }
}

/// fp32 against fp64: sums of at most a few hundred terms of size 1 through 12 blocks.
private let tolerance: Float = 2e-5

@Test(arguments: TransformerArchitecture.allCases, [false, true])
func transformerMatchesItsTwin(architecture: TransformerArchitecture, recompute: Bool) throws {
  let twin = try Twin(architecture, recompute: recompute)
  let (loss, parameters) = try twin.run(twin.batch, laidOutFor: 4)
  let expected = try twin.file.values("losses", as: Float.self)
  expectClose([Float(loss.textNats), Float(loss.imageNats)], expected, relative: 3e-6, "losses")
  #expect(loss.textTokens == 9)
  #expect(loss.imageTokens == 48)
  try parameters.expectGradients(twin.file, tolerance: tolerance)
}

/// Weights and activations rounded to 8 bits: the losses to 1e-3, each gradient to a few hundredths of its largest value. Normed queries
/// and keys make the twin's random attention twenty times sharper, and so the errors larger.
@Test(.enabled(if: Precision.bf16.isSupported), arguments: TransformerArchitecture.allCases)
func transformerInBF16IsCloseToItsTwin(architecture: TransformerArchitecture) throws {
  let twin = try Twin(architecture)
  let (loss, parameters) = try twin.run(twin.batch, laidOutFor: 4, .bf16)
  let expected = try twin.file.values("losses", as: Float.self)
  let isPublished = architecture == .published
  expectClose([Float(loss.textNats), Float(loss.imageNats)], expected, relative: isPublished ? 1e-3 : 3e-3, "losses")
  try parameters.expectGradients(twin.file, tolerance: isPublished ? 4e-2 : 0.25)
}

@Test(arguments: Precision.allCases.filter(\.isSupported), TransformerArchitecture.allCases)
func recomputationGivesTheSameBits(precision: Precision, architecture: TransformerArchitecture) throws {
  let kept = try Twin(architecture).run(Twin(architecture).batch, laidOutFor: 3, precision)
  let again = try Twin(architecture, recompute: true).run(Twin(architecture).batch, laidOutFor: 3, precision)
  #expect(kept.0.imageNats == again.0.imageNats)
  for block in kept.1.table.blockIDs {
    #expect(kept.1.gradients(of: block).values.array == again.1.gradients(of: block).values.array)
  }
  var config = try Twin(architecture).config
  config.layers = 24
  var less = config
  less.recompute = true
  #expect(
    Transformer.activationBytes(less, batch: 3, precision: precision)
      < Transformer.activationBytes(config, batch: 3, precision: precision) / 2)
}

/// Gradients of micro-batches add up to that of the whole batch.
@Test func microBatchesAccumulate() throws {
  let twin = try Twin()
  let model = try Transformer(twin.config, batch: 2)
  let parameters = LocalParameters(model.table)
  try parameters.load(twin.file)
  var nats = 0.0
  for rows in [0..<1, 1..<3] {
    nats += try model.forwardBackward(twin.batch.rows(rows), parameters, textScale: 0.03, imageScale: 0.017).imageNats
  }
  expectClose([Float(nats)], [try twin.file.values("losses", as: Float.self)[1]], relative: 3e-6)
  try parameters.expectGradients(twin.file, tolerance: tolerance)
}

@Test func evaluationGivesTheLossOfTraining() throws {
  let twin = try Twin()
  let model = try Transformer(twin.config, batch: 3)
  let parameters = LocalParameters(model.table, gradients: false)
  try parameters.load(twin.file)
  let loss = try model.evaluate(twin.batch, parameters)
  expectClose(
    [Float(loss.textNats), Float(loss.imageNats)], try twin.file.values("losses", as: Float.self), relative: 3e-6, "losses")
}

/// Names, shapes and count at the published size: 12 d² · 64 in the blocks, plus embeddings and heads.
@Test func publishedSizeHasTwelveBillionParameters() {
  let config = TransformerConfig(
    layers: 64, heads: 62, headSize: 64, textLength: 256, grid: 32, textVocabulary: 16_384, imageVocabulary: 8192)
  let table = Transformer.table(config)
  let matrices = table.parameters.filter { $0.role == .matrix }.reduce(0) { $0 + $1.count }
  #expect(matrices == 12 * 3968 * 3968 * 64)
  #expect(table.blocks.count == 130)
  #expect(table.parameters.first { $0.name == "blocks.63.mlp.up.weight" }?.shape == [4 * 3968, 3968])
}

@Test func impossibleShapesAreRefused() {
  let config = TransformerConfig(
    layers: 1, heads: 3, headSize: 5, textLength: 4, grid: 2, textVocabulary: 300, imageVocabulary: 8)
  #expect { try Transformer(config, batch: 1) } throws: { "\($0)".contains("15") && "\($0)".contains("multiple of 16") }
}
