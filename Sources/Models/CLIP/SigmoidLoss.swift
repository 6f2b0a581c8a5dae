import Kernels
import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// The pairwise sigmoid loss of image and caption features (Zhai et al. 2023, algorithm 1): for each pair of an image i and a caption j,
/// -log sigmoid(z · logit), where logit = e^scale · cosine(i, j) + bias, and z is 1 where j is a caption of i, else -1.
struct SigmoidLoss {
  /// Summed over all pairs.
  private(set) var nats = 0.0
  /// Images for which no caption has a higher logit than their own.
  private(set) var firsts = 0
  private(set) var dScale: Float = 0
  private(set) var dBias: Float = 0

  /// - Parameters:
  ///   - cosines: [b, b], images by captions. Becomes the gradient of `factor · nats`.
  ///   - isMatch: whether caption j is one of image i; two samples may have the same caption.
  init(_ cosines: Matrix, scale: Float, bias: Float, factor: Float, isMatch: (_ image: Int, _ caption: Int) -> Bool) {
    let t = exp(scale)
    var (dScale, dBias) = (0.0, 0.0)
    for i in 0..<cosines.rows {
      let row = cosines.row(i)
      var best = row[i]
      for j in 0..<cosines.columns where isMatch(i, j) { best = max(best, row[j]) }
      if (0..<cosines.columns).allSatisfy({ row[$0] <= best }) { firsts += 1 }
      for j in 0..<cosines.columns {
        let z: Float = isMatch(i, j) ? 1 : -1
        let (cosine, margin) = (row[j], z * (t * row[j] + bias))
        // log(1 + e^-m) without overflow.
        nats += Double(max(0, -margin) + log1p(exp(-abs(margin))))
        let gradient = -z / (1 + exp(margin)) * factor
        dScale += Double(gradient * t * cosine)
        dBias += Double(gradient)
        row[j] = gradient * t
      }
    }
    (self.dScale, self.dBias) = (Float(dScale), Float(dBias))
  }
}
