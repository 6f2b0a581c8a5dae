import Generation
import Images
import Kernels
import Layers
import Models
import Parallel
import Random
import Shards
import Tokenizer
import Tokens

/// Training the transformer on token shards (paper sections 2.2 and B).
package final class TransformerTask: TrainingTask {
  package let name = "transformer"
  package let sampleImageBytes: Int
  package let load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> TransformerBatch
  private let model: Transformer
  private let textShare: Double
  private let validation: TransformerBatch
  private let sampleGrid: (any ParameterStore) throws -> Image?

  /// - Parameters:
  ///   - validation: samples that are never trained on; may be none.
  ///   - sampleImageBytes: what `sampleGrid` takes.
  ///   - sampleGrid: makes an image of samples with given weights.
  ///   - load: this rank's samples of a step.
  package init(
    _ model: Transformer, textShare: Double, validation: TransformerBatch, sampleImageBytes: Int = 0,
    sampleGrid: @escaping (any ParameterStore) throws -> Image?,
    load: @escaping @Sendable (_ step: Int, _ part: Range<Int>) throws -> TransformerBatch
  ) {
    (self.model, self.textShare, self.validation) = (model, textShare, validation)
    (self.sampleImageBytes, self.sampleGrid, self.load) = (sampleImageBytes, sampleGrid, load)
  }

  /// Trains on token shards.
  package convenience init(
    _ config: RunConfig, _ model: Transformer, training: ShardSet, validation: ShardSet?, tokenizer: Tokenizer,
    sampleGrid: @escaping (any ParameterStore) throws -> Image?
  ) throws {
    let stage = config.transformer
    let textLength = model.config.textLength
    let seed = UInt64(config.seed)
    let sampler = ShardSampler(training, seed: seed)
    self.init(
      model, textShare: stage.textLossShare,
      validation: Self.batch(try (validation?.all() ?? []).map { ($0.text, $0.image) }),
      sampleImageBytes: try SampleSheet.byteCount(
        model.config, dvae: config.dvaeConfig, sampling: config.sampling, precision: model.precision),
      sampleGrid: sampleGrid
    ) { step, part in
      let start = step * stage.training.batch
      let samples = try sampler.pairs(start + part.lowerBound..<start + part.upperBound)
      func random(_ purpose: UInt64, _ position: Int) -> RandomStream {
        RandomStream(seed: seed, purpose, UInt64(step), UInt64(position))
      }
      return Self.batch(
        zip(part, samples).map { position, sample in
          var dropout = random(Purpose.captionDropout, position)
          if Double(dropout.uniform()) < stage.captionDropout { return ([], sample.image) }
          guard stage.bpeDropout > 0 else { return (sample.text, sample.image) }
          var merges = random(Purpose.bpeDropout, position)
          let text = tokenizer.encode(tokenizer.decode(sample.text), dropout: Float(stage.bpeDropout), using: &merges)
          // Skipped merges make a caption longer; where it does not fit any more, it stays as it was.
          return (text.count <= textLength ? text : sample.text, sample.image)
        },
        dropout: stage.dropout == 0
          ? nil
          : Dropout(probability: Float(stage.dropout), streams: part.map { random(Purpose.dropout, $0) }))
    }
  }

  private static func batch(_ samples: [(text: [Token], image: [Token])], dropout: Dropout? = nil) -> TransformerBatch {
    TransformerBatch(text: samples.map(\.text), image: samples.flatMap(\.image), dropout: dropout)
  }

  package var table: ParameterTable { model.table }
  package var precision: Precision { model.precision }
  package var activationBytes: Int { model.activationBytes }
  package var sampleBytes: Int { model.config.sampleBytes }
  package var flops: Double { model.config.trainingFlops(patterns: model.patterns) }
  package var unit: (name: String, perSample: Double) { ("tokens", Double(model.config.length)) }

  package func count(_ batch: TransformerBatch) -> Int { batch.count }

  /// Text tokens, image tokens.
  package func denominators(_ batch: TransformerBatch) -> [Double] {
    [Double(batch.text.reduce(0) { $0 + $1.count }), Double(batch.image.count)]
  }

  package func forwardBackward(
    _ batch: TransformerBatch, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double] {
    // A batch in which every caption was dropped has no text tokens.
    let loss = try model.forwardBackward(
      batch.rows(rows), source, textScale: Float(textShare / max(1, denominators[0])),
      imageScale: Float((1 - textShare) / denominators[1]))
    return sums(loss)
  }

  package let sumCount = 4

  private func sums(_ loss: TransformerLoss) -> [Double] {
    [loss.textNats, Double(loss.textTokens), loss.imageNats, Double(loss.imageTokens)]
  }

  /// Nats per token.
  package func report(_ sums: [Double]) -> LossReport {
    let (text, image) = (sums[0] / max(1, sums[1]), sums[2] / sums[3])
    return LossReport(loss: textShare * text + (1 - textShare) * image, parts: [("text", text), ("image", image)])
  }

  package func validate(rank: Int, of ranks: Int, source: any ParameterStore) throws -> [Double] {
    var total = [Double](repeating: 0, count: sumCount)
    let mine = ProcessGrid.share(of: validation.count, rank: rank, ranks: ranks)
    for first in stride(from: mine.lowerBound, to: mine.upperBound, by: model.batch) {
      let loss = try model.evaluate(validation.rows(first..<min(first + model.batch, mine.upperBound)), source)
      total = zip(total, sums(loss)).map(+)
    }
    return total
  }

  package func validationReport(_ sums: [Double]) -> [(name: String, value: Double)] {
    if sums[3] == 0 { return [] }
    let report = report(sums)
    return [("loss", report.loss)] + report.parts
  }

  package func sampleImage(_ source: any ParameterStore) throws -> Image? { try sampleGrid(source) }
}
