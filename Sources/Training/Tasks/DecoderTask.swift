import Datasets
import Generation
import Images
import Kernels
import Layers
import Memory
import Models
import Parallel
import Random

/// Fine-tuning a trained dVAE's decoder with a discriminator, on images cropped as the transformer's are (Esser et al. 2021).
package final class DecoderTask: TrainingTask {
  /// This rank's images of a step.
  package struct Batch: Sendable {
    /// `[count, size, size, 3]`
    var pixels: [UInt8]
    var count: Int
  }

  package let name = "decoder"
  package let load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> Batch
  private let model: AdversarialDecoder
  private let dvae: DVAE
  private let frozen: LocalParameters
  private let data: any CaptionedImages
  private let config: DecoderStageConfig
  private let warn: @Sendable (String) -> Void
  private var imageBytes: Int { model.config.dvae.pixelValues }

  /// - Parameters:
  ///   - frozen: weights of the trained dVAE.
  ///   - warn: gets a line for every image that cannot be read.
  package init(
    _ config: RunConfig, precision: Precision, data: any CaptionedImages, frozen: LocalParameters,
    warn: @escaping @Sendable (String) -> Void
  ) throws {
    (self.config, self.data, self.frozen, self.warn) = (config.decoder, data, frozen, warn)
    let (training, seed, size) = (config.decoder.training, UInt64(config.seed), config.data.imageSize)
    model = try AdversarialDecoder(config.decoderConfig, frozen: frozen, batch: training.microBatch, precision: precision)
    dvae = try DVAE(config.dvaeConfig, batch: Self.sheetCount, mode: .inference, precision: precision)
    load = { step, part in
      let images = try part.map { position in
        var random = RandomStream(seed: seed, Purpose.decoder, UInt64(step), UInt64(position))
        let index = SampleNumber.at(step * training.batch + position, count: data.count(.training), seed: seed)
        let image = try data.readableImage(index, .training, forCropsOf: size, warn: warn).image
        return image.transformerCrop(size, using: &random)
      }
      return Batch(pixels: images.flatMap(\.pixels), count: images.count)
    }
  }

  package var table: ParameterTable { model.table }
  package var precision: Precision { model.precision }
  package var activationBytes: Int { model.activationBytes + dvae.activationBytes }
  package var sampleBytes: Int { imageBytes }
  package var flops: Double { AdversarialDecoder.trainingFlops(model.config) }
  package var unit: (name: String, perSample: Double) { ("images", 1) }

  package func initialValues(of parameter: Parameter) -> Vector? { model.initialValues(of: parameter) }

  package func count(_ batch: Batch) -> Int { batch.count }
  package func denominators(_ batch: Batch) -> [Double] { [Double(batch.count)] }

  package func forwardBackward(
    _ batch: Batch, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double] {
    let weights = AdversarialWeights(
      adversarial: step < config.startStep ? 0 : config.adversarialWeight, features: config.featureWeight)
    let loss = try batch.pixels.withUnsafeBufferPointer { pixels in
      try model.forwardBackward(
        pixels.baseAddress! + rows.lowerBound * imageBytes, count: rows.count, source, weights, scale: Float(1 / denominators[0]))
    }
    return [Double(loss.samples), loss.reconstruction, loss.discriminator, loss.adversarial, loss.features]
  }

  package let sumCount = 5

  /// The likelihood is what is minimised; the other parts have no common scale.
  package func report(_ sums: [Double]) -> LossReport {
    let reconstruction = sums[1] / (sums[0] * Double(imageBytes))
    return LossReport(
      loss: reconstruction,
      parts: [("discriminator", sums[2] / sums[0]), ("adversarial", sums[3] / sums[0]), ("features", sums[4] / sums[0])])
  }

  /// Sums: samples, reconstruction, squared error.
  package func validate(rank: Int, of ranks: Int, source weights: any ParameterStore) throws -> [Double] {
    let mine = Array(ProcessGrid.share(of: data.count(.validation), rank: rank, ranks: ranks))
    var loss = AdversarialLoss()
    for first in stride(from: 0, to: mine.count, by: model.batch) {
      let images = try validationImages(Array(mine[first..<min(first + model.batch, mine.count)])).map(\.image)
      loss += try model.evaluate(images.flatMap(\.pixels), count: images.count, weights)
    }
    return [Double(loss.samples), loss.reconstruction, loss.squaredError]
  }

  package func validationReport(_ sums: [Double]) -> [(name: String, value: Double)] {
    if sums[0] == 0 { return [] }
    var loss = DVAELoss()
    (loss.samples, loss.squaredError) = (Int(sums[0]), sums[2])
    return [("reconstruction", sums[1] / (sums[0] * Double(imageBytes))), ("PSNR", loss.psnr(pixelValues: imageBytes))]
  }

  private static let sheetCount = 8

  /// Images of the validation split, each beside what the dVAE makes of it, and what this decoder makes of the same codes.
  package func sampleImage(_ weights: any ParameterStore) throws -> Image? {
    let originals = try validationImages(Array(0..<min(Self.sheetCount, data.count(.validation))))
    if originals.isEmpty { return nil }
    let before = try dvae.decode(dvae.encode(originals.map(\.image), frozen), frozen)
    let size = model.config.dvae.imageSize
    let rows = try zip(originals, before).map { original, before in
      var pixels = [UInt8](repeating: 0, count: imageBytes)
      try model.reconstruct(original.image.pixels, count: 1, weights, into: &pixels)
      return ImageGrid.Row(
        caption: try data.captions(original.index, .validation)[0],
        images: [original.image, before, Image(width: size, height: size, pixels: pixels)])
    }
    return try ImageGrid.compose(rows, columns: 3)
  }

  /// Center crops.
  private func validationImages(_ indices: [Int]) throws -> [ReadableImage] {
    let size = model.config.dvae.imageSize
    return try indices.map {
      let found = try data.readableImage($0, .validation, forCropsOf: size, warn: warn)
      return ReadableImage(index: found.index, image: found.image.centerCrop(size))
    }
  }
}
