import Kernels
import Layers
import Memory
import Tokens

/// Images and a caption of each.
package struct CLIPBatch: Sendable {
  /// `[count, size, size, 3]`
  package let pixels: [UInt8]
  /// At most `textLength` tokens each.
  package let text: [[Token]]

  package init(pixels: [UInt8], text: [[Token]]) { (self.pixels, self.text) = (pixels, text) }

  package var count: Int { text.count }

  /// The samples `rows` alone.
  package func rows(_ rows: Range<Int>) -> CLIPBatch {
    let values = pixels.count / max(1, count)
    return CLIPBatch(pixels: Array(pixels[rows.lowerBound * values..<rows.upperBound * values]), text: Array(text[rows]))
  }
}

/// The loss of some samples, summed.
package struct CLIPLoss: Sendable {
  package var samples = 0
  /// Over all pairs of an image and a caption.
  package var nats = 0.0
  /// Images for which no other caption of their micro-batch has a higher cosine than their own.
  package var firsts = 0

  package init(samples: Int = 0, nats: Double = 0, firsts: Int = 0) {
    (self.samples, self.nats, self.firsts) = (samples, nats, firsts)
  }
}

/// A network that gives images and captions features in one space, close where the caption is of the image (Radford et al. 2021), trained
/// with a loss over pairs (Zhai et al. 2023). It knows no ranks and no files.
package final class CLIP {
  package let config: CLIPConfig
  package let table: ParameterTable
  /// Largest number of samples per call.
  package let batch: Int
  package let precision: Precision
  private let passes: any CLIPPasses
  private let arena: Arena

  /// Lays out activations for micro-batches of up to `batch` samples. With bf16 the parameter stores must keep weights in that format.
  package init(_ config: CLIPConfig, batch: Int, precision: Precision = .fp32) throws {
    try config.validate()
    (self.config, self.batch, self.precision) = (config, batch, precision)
    var table = ParameterTable()
    let parameters = CLIPParameters(config, &table)
    self.table = table
    (arena, passes) = Arena.layOut { Self.passes(config, parameters, samples: batch, precision, in: &$0) }
  }

  private static func passes(
    _ config: CLIPConfig, _ parameters: CLIPParameters, samples: Int, _ precision: Precision, in space: inout Space
  ) -> any CLIPPasses {
    switch precision {
    case .fp32: CLIPStep<Float>(config, parameters, samples: samples, in: &space)
    case .bf16: CLIPStep<BFloat16>(config, parameters, samples: samples, in: &space)
    }
  }

  /// Every parameter of a CLIP of this shape.
  package static func table(_ config: CLIPConfig) -> ParameterTable {
    var table = ParameterTable()
    _ = CLIPParameters(config, &table)
    return table
  }

  /// Bytes of all activations.
  package var activationBytes: Int { arena.byteCount }

  /// Bytes that activations for `batch` samples would take.
  package static func activationBytes(_ config: CLIPConfig, batch: Int, precision: Precision) -> Int {
    var table = ParameterTable()
    let parameters = CLIPParameters(config, &table)
    return Arena.measure { passes(config, parameters, samples: batch, precision, in: &$0) }
  }

  /// Loss and gradient: adds the gradient of `scale · nats` to `store`. Every caption is compared with every image of the call.
  package func forwardBackward(_ samples: CLIPBatch, _ store: any ParameterStore, scale: Float) throws -> CLIPLoss {
    check(samples)
    return try passes.forwardBackward(samples, store, scale: scale)
  }

  /// Loss alone.
  package func evaluate(_ samples: CLIPBatch, _ store: any ParameterStore) throws -> CLIPLoss {
    check(samples)
    return try passes.evaluate(samples, store)
  }

  /// Features of any number of images `[count, size, size, 3]`: `[count, featureSize]`, each of length 1.
  package func imageFeatures(_ pixels: [UInt8], _ store: any ParameterStore) throws -> [Float] {
    let values = config.pixelValues
    precondition(pixels.count % values == 0, "\(pixels.count) bytes of images with \(values)")
    return try stride(from: 0, to: pixels.count / values, by: batch).flatMap { first in
      let count = min(batch, pixels.count / values - first)
      return try passes.imageFeatures(pixels[first * values..<(first + count) * values], count: count, store)
    }
  }

  /// Features of any number of captions: `[count, featureSize]`, each of length 1.
  package func textFeatures(_ text: [[Token]], _ store: any ParameterStore) throws -> [Float] {
    try stride(from: 0, to: text.count, by: batch).flatMap { first in
      try passes.textFeatures(text[first..<min(first + batch, text.count)], store)
    }
  }

  private func check(_ samples: CLIPBatch) {
    precondition(samples.count <= batch, "\(samples.count) samples for a CLIP laid out for \(batch)")
    precondition(samples.pixels.count == samples.count * config.pixelValues, "\(samples.pixels.count) bytes of images")
    precondition(samples.text.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
  }
}
