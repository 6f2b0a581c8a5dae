import Images
import Layers
import Models
import Tokens

/// The dVAE on any number of images, `batch` at a time.
extension DVAE {
  /// What `evaluate` finds.
  package struct Evaluation {
    package var loss = DVAELoss()
    /// `[images · grid²]`
    package var codes: [Token] = []
  }

  /// The loss with the most likely codes, the error of the reconstructed bytes, and the codes.
  package func evaluate(_ images: [Image], _ weights: any ParameterStore) throws -> Evaluation {
    var loss = DVAELoss()
    let codes = try inBatches(images.count) { part, codes in
      loss += try evaluate(Array(images[part].map(\.pixels).joined()), count: part.count, weights, into: &codes)
    }
    return Evaluation(loss: loss, codes: codes)
  }

  /// The most likely codes: `[images · grid²]`.
  package func encode(_ images: [Image], _ weights: any ParameterStore) throws -> [Token] {
    try inBatches(images.count) { part, codes in
      try encode(Array(images[part].map(\.pixels).joined()), count: part.count, weights, into: &codes)
    }
  }

  /// The images of codes `[images · grid²]`.
  package func decode(_ codes: [Token], _ weights: any ParameterStore) throws -> [Image] {
    let positions = config.grid * config.grid
    let size = config.imageSize
    return try stride(from: 0, to: codes.count / positions, by: batch).flatMap { first in
      let count = min(batch, codes.count / positions - first)
      var pixels = [UInt8](repeating: 0, count: count * config.pixelValues)
      try decode(
        Array(codes[first * positions..<(first + count) * positions]), count: count, weights, into: &pixels)
      return (0..<count).map { index in
        Image(
          width: size, height: size,
          pixels: Array(pixels[index * config.pixelValues..<(index + 1) * config.pixelValues]))
      }
    }
  }

  private func inBatches(_ count: Int, _ body: (Range<Int>, inout [Token]) throws -> Void) rethrows -> [Token] {
    try stride(from: 0, to: count, by: batch).flatMap { first in
      let part = first..<min(first + batch, count)
      var codes = [Token](repeating: 0, count: part.count * config.grid * config.grid)
      try body(part, &codes)
      return codes
    }
  }
}
