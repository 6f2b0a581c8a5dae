import Datasets
import Foundation
import Kernels
import Layers
import MPI
import Models
import Parallel
import Tokens
import Training

/// Throughput of encoding images as tokens.
struct EncodingBench: Codable {
  /// Median seconds for a batch.
  var seconds: Double
  /// Images per second, all ranks together.
  var throughput: Double
  /// FLOPs per image.
  var flops: Double

  init(_ shape: ReferenceShape.DVAE, batch: Int, precision: Precision, repeats: Int, _ world: Communicator) throws {
    let config = shape.config.dvaeConfig
    let count = max(1, ProcessGrid.share(of: batch, rank: world.rank, ranks: world.size).count)
    let dvae = try DVAE(config, batch: count, mode: .inference, precision: precision)
    let weights = LocalParameters(dvae.table, gradients: false, precision: precision)
    for block in dvae.table.blockIDs { dvae.table.initialize(block, into: weights.weights(of: block), seed: 1) }
    weights.refreshComputeCopy()
    let images = NoiseImages(size: config.imageSize)
    let pixels = (0..<count).flatMap { images.image($0, .training, forCropsOf: nil).pixels }
    var codes = [Token](repeating: 0, count: count * config.grid * config.grid)
    seconds = try medianSeconds(world, repeats) {
      try pixels.withUnsafeBufferPointer { pixels in
        try codes.withUnsafeMutableBufferPointer {
          try dvae.encode(pixels.baseAddress!, count: count, weights, into: $0.baseAddress!)
        }
      }
    }
    var total = [Double(count) / seconds]
    try world.allReduce(&total, .sum)
    throughput = total[0]
    flops = dvae.architecture.encoderFlops
  }

  func text(peak: Double) -> String {
    """
    encoding
      throughput   \(String(format: throughput < 100 ? "%.2f" : "%.0f", throughput)) images/s
      FLOPs        \(String(format: "%.1f", flops / 1e9)) GFLOP per image, \(String(format: "%.0f", flops * throughput / 1e9)) GFLOP/s: \
    \(String(format: "%.1f", 100 * flops * throughput / peak)) % of GEMM peak
    """
  }
}
