import Datasets
import Images
import Kernels
import Layers
import Models
import Parallel
import Random
import Tokenizer
import Tokens

/// Training a CLIP on captioned images (Radford et al. 2021, Zhai et al. 2023). Captions are compared with the images of their micro-batch.
package final class CLIPTask: TrainingTask {
  package let name = "clip"
  package let load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> CLIPBatch
  private let model: CLIP
  private let data: any CaptionedImages
  private let tokenizer: Tokenizer
  private let warn: @Sendable (String) -> Void

  /// - Parameter warn: gets a line for every image that cannot be read.
  package init(
    _ config: RunConfig, precision: Precision, data: any CaptionedImages, tokenizer: Tokenizer,
    warn: @escaping @Sendable (String) -> Void
  ) throws {
    (self.data, self.tokenizer, self.warn) = (data, tokenizer, warn)
    let (training, seed) = (config.clip.training, UInt64(config.seed))
    let shape = config.clipConfig(textVocabulary: tokenizer.vocabularyCount)
    model = try CLIP(shape, batch: training.microBatch, precision: precision)
    load = { step, part in
      let samples = try part.map { position in
        var random = RandomStream(seed: seed, Purpose.clip, UInt64(step), UInt64(position))
        let index = SampleNumber.at(step * training.batch + position, count: data.count(.training), seed: seed)
        let found = try data.readableImage(index, .training, forCropsOf: shape.imageSize, warn: warn)
        let captions = try data.captions(found.index, .training)
        let caption = captions[random.integer(in: 0..<captions.count)]
        return (found.image.transformerCrop(shape.imageSize, using: &random), caption)
      }
      return Self.batch(samples, tokenizer, shape)
    }
  }

  private static func batch(_ samples: [(image: Image, caption: String)], _ tokenizer: Tokenizer, _ shape: CLIPConfig) -> CLIPBatch
  {
    CLIPBatch(
      pixels: samples.flatMap(\.image.pixels),
      text: samples.map { tokenizer.prefix(tokenizer.encode($0.caption), shape.textLength) })
  }

  package var table: ParameterTable { model.table }
  package var precision: Precision { model.precision }
  package var activationBytes: Int { model.activationBytes }
  package var sampleBytes: Int { model.config.sampleBytes }
  package var flops: Double { model.config.trainingFlops }
  package var unit: (name: String, perSample: Double) { ("images", 1) }

  package func count(_ batch: CLIPBatch) -> Int { batch.count }
  package func denominators(_ batch: CLIPBatch) -> [Double] { [Double(batch.count)] }

  package func forwardBackward(
    _ batch: CLIPBatch, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double] {
    sums(try model.forwardBackward(batch.rows(rows), source, scale: Float(1 / denominators[0])))
  }

  package let sumCount = 3

  private func sums(_ loss: CLIPLoss) -> [Double] { [Double(loss.samples), loss.nats, Double(loss.firsts)] }

  /// Nats per image; share of the images whose own caption ranks first in their micro-batch.
  package func report(_ sums: [Double]) -> LossReport {
    LossReport(loss: sums[1] / sums[0], parts: [("first", sums[2] / sums[0])])
  }

  package func validate(rank: Int, of ranks: Int, source weights: any ParameterStore) throws -> [Double] {
    let mine = ProcessGrid.share(of: data.count(.validation), rank: rank, ranks: ranks)
    let size = model.config.imageSize
    var total = [Double](repeating: 0, count: sumCount)
    for first in stride(from: mine.lowerBound, to: mine.upperBound, by: model.batch) {
      let samples = try (first..<min(first + model.batch, mine.upperBound)).map { index in
        let found = try data.readableImage(index, .validation, forCropsOf: size, warn: warn)
        return (found.image.centerCrop(size), try data.captions(found.index, .validation)[0])
      }
      total = zip(total, sums(try model.evaluate(Self.batch(samples, tokenizer, model.config), weights))).map(+)
    }
    return total
  }

  package func validationReport(_ sums: [Double]) -> [(name: String, value: Double)] {
    if sums[0] == 0 { return [] }
    let report = report(sums)
    return [("loss", report.loss)] + report.parts
  }
}
