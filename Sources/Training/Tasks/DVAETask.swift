import Datasets
import Generation
import Images
import Kernels
import Layers
import Models
import Parallel
import Random

/// Training the dVAE on cropped images (paper sections 2.1 and A).
package final class DVAETask: TrainingTask {
  /// This rank's images of a step.
  package struct Batch: Sendable {
    /// `[count, size, size, 3]`
    var pixels: [UInt8]
    /// Numbers of the samples in the whole batch; the relaxation's noise depends on them.
    var positions: Range<Int>
  }

  package let name = "dvae"
  package let load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> Batch
  private let model: DVAE
  private let data: any CaptionedImages
  private let config: RunConfig
  private let warn: @Sendable (String) -> Void
  private var imageBytes: Int { model.config.pixelValues }

  /// - Parameter warn: gets a line for every image that cannot be read.
  package init(
    _ config: RunConfig, precision: Precision, data: any CaptionedImages, warn: @escaping @Sendable (String) -> Void
  ) throws {
    self.config = config
    self.data = data
    self.warn = warn
    let training = config.dvae.training
    model = try DVAE(config.dvaeConfig, batch: training.microBatch, mode: .training, precision: precision)
    let seed = UInt64(config.seed)
    let size = config.data.imageSize
    let (cutMixProbability, noise, cell) = (config.dvae.cutMixProbability, config.dvae.pixelNoise, size / config.dvaeConfig.grid)
    load = { step, part in
      var pixels: [UInt8] = []
      pixels.reserveCapacity(part.count * size * size * 3)
      for position in part {
        func random(_ purpose: UInt64) -> RandomStream { RandomStream(seed: seed, purpose, UInt64(step), UInt64(position)) }
        func crop(_ index: Int, _ random: inout RandomStream) throws -> Image {
          try data.readableImage(index, .training, forCropsOf: size, warn: warn).image.dvaeCrop(size, using: &random)
        }
        var crops = random(Purpose.dvaeCrop)
        let count = data.count(.training)
        var image = try crop(SampleNumber.at(step * training.batch + position, count: count, seed: seed), &crops)
        var mixes = random(Purpose.dvaeCutMix)
        if Double(mixes.uniform()) < cutMixProbability {
          image.cutMix(try crop(mixes.integer(in: 0..<count), &mixes), cell: cell, using: &mixes)
        }
        if noise > 0 {
          var changes = random(Purpose.dvaePixelNoise)
          image.addNoise(noise, using: &changes)
        }
        pixels += image.pixels
      }
      return Batch(pixels: pixels, positions: part)
    }
  }

  package var table: ParameterTable { model.table }
  package var precision: Precision { model.precision }
  package var activationBytes: Int { model.activationBytes }
  package var sampleBytes: Int { imageBytes }
  package var flops: Double { model.architecture.trainingFlops }
  package var unit: (name: String, perSample: Double) { ("images", 1) }

  package func count(_ batch: Batch) -> Int { batch.positions.count }
  package func denominators(_ batch: Batch) -> [Double] { [Double(batch.positions.count)] }

  package func forwardBackward(
    _ batch: Batch, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double] {
    let weight = config.dvae.klWeight.value(at: step)
    let positions = rows.map { batch.positions.lowerBound + $0 }
    let loss = try batch.pixels.withUnsafeBufferPointer { pixels in
      try model.forwardBackward(
        pixels.baseAddress! + rows.lowerBound * imageBytes, count: rows.count, source,
        temperature: Float(config.dvae.temperature.value(at: step)), klWeight: Float(weight),
        noise: .drawn(seed: UInt64(config.seed), step: step, samples: positions), scale: Float(1 / denominators[0]))
    }
    return [Double(loss.samples), loss.reconstruction, loss.kl, weight * loss.kl]
  }

  package let sumCount = 4

  package func report(_ sums: [Double]) -> LossReport {
    let values = sums[0] * Double(imageBytes)
    let positions = sums[0] * Double(model.config.grid * model.config.grid)
    let kl = model.config.quantizer == .gumbel ? [("kl", sums[2] / positions)] : []
    return LossReport(loss: (sums[1] + sums[3]) / values, parts: [("reconstruction", sums[1] / values)] + kl)
  }

  /// Sums: samples, reconstruction, KL, squared error, then how often each code occurs.
  package func validate(rank: Int, of ranks: Int, source weights: any ParameterStore) throws -> [Double] {
    let mine = Array(ProcessGrid.share(of: data.count(.validation), rank: rank, ranks: ranks))
    var loss = DVAELoss()
    var usage = CodebookUsage(vocabulary: model.config.vocabulary)
    // A batch at a time, so that not all images are in memory.
    for first in stride(from: 0, to: mine.count, by: model.batch) {
      let part = mine[first..<min(first + model.batch, mine.count)]
      let result = try model.evaluate(validationImages(Array(part)).map(\.image), weights)
      loss += result.loss
      result.codes.withUnsafeBufferPointer { usage.add($0) }
    }
    return [Double(loss.samples), loss.reconstruction, loss.kl, loss.squaredError] + usage.counts.map(Double.init)
  }

  package func validationReport(_ sums: [Double]) -> [(name: String, value: Double)] {
    if sums[0] == 0 { return [] }
    var loss = DVAELoss()
    loss.samples = Int(sums[0])
    loss.squaredError = sums[3]
    var usage = CodebookUsage(vocabulary: model.config.vocabulary)
    usage.add(sums[4...].map { Int($0) })
    let parts = report([sums[0], sums[1], sums[2], 0]).parts
    return parts + [
      ("PSNR", loss.psnr(pixelValues: imageBytes)), ("codes used", usage.used), ("perplexity", usage.perplexity),
    ]
  }

  /// How often each code occurs, in descending order: codes have no order of their own, and this one shows how evenly they are used.
  package func validationHistograms(_ sums: [Double]) -> [(name: String, counts: [Int])] {
    [("codes, most used first", sums[4...].map { Int($0) }.sorted(by: >))]
  }

  /// Images of the validation split, each beside its reconstruction.
  package func sampleImage(_ weights: any ParameterStore) throws -> Image? {
    let originals = try validationImages(Array(0..<min(16, data.count(.validation))))
    if originals.isEmpty { return nil }
    let copies = try model.decode(model.encode(originals.map(\.image), weights), weights)
    let rows = try zip(originals, copies).map { original, copy in
      ImageGrid.Row(caption: try data.captions(original.index, .validation)[0], images: [original.image, copy])
    }
    return try ImageGrid.compose(rows, columns: 4)
  }

  /// Center crops.
  private func validationImages(_ indices: [Int]) throws -> [ReadableImage] {
    let size = model.config.imageSize
    return try indices.map {
      let found = try data.readableImage($0, .validation, forCropsOf: size, warn: warn)
      return ReadableImage(index: found.index, image: found.image.centerCrop(size))
    }
  }
}
