import Kernels
import Memory
import Random

/// Dropout of what layers add to the residual stream. Masks are computed again in the backward pass instead of kept, and belong to
/// samples: they do not depend on how ranks and micro-batches divide a batch.
package struct Dropout: Sendable {
  package let probability: Float
  /// Of each sample.
  private let streams: [RandomStream]
  /// Of the layer at hand.
  private var layer: UInt32 = 0

  /// - Parameters:
  ///   - probability: that a value is replaced by 0; below 1.
  ///   - streams: one for each sample, for nothing else.
  package init(probability: Float, streams: [RandomStream]) { (self.probability, self.streams) = (probability, streams) }

  /// For the samples `rows` alone.
  package func rows(_ rows: Range<Int>) -> Dropout { Dropout(probability: probability, streams: Array(streams[rows])) }

  /// For a layer of the model: each has masks of its own.
  package func layer(_ number: Int) -> Dropout {
    var other = self
    other.layer = UInt32(number)
    return other
  }

  /// y = x + what is left of `branch`; all [n, d] with the same number of rows for each sample. y may be x.
  func add(_ branch: Matrix, to x: Matrix, into y: Matrix) { apply(to: branch, residual: x, into: y) }

  /// The gradient of `branch`, from that of the sum.
  func backward(_ dy: Matrix, into dBranch: Matrix) -> Matrix {
    apply(to: dy, residual: nil, into: dBranch)
    return dBranch
  }

  private func apply(to x: Matrix, residual: Matrix?, into y: Matrix) {
    precondition(x.rows % streams.count == 0, "\(x.rows) rows for \(streams.count) samples")
    let length = x.rows / streams.count
    for (sample, stream) in streams.enumerated() {
      let rows = sample * length..<(sample + 1) * length
      dropout(
        x.rows(rows), DropoutMask(seed: stream.seed, stream: stream.stream, place: layer), probability: probability,
        residual: residual?.rows(rows), into: y.rows(rows))
    }
  }
}
